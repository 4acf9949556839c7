"""The job that draws an image's thumbnails, and how it is ordered. It may be run twice, or die at any point: what
counts is one transaction.

Blobs are noted as to be deleted before they are written, and taken off that list by the transaction that makes them the
image's; what a lost lease or a crash leaves behind, cleanup takes away.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from application.blob_deletions import BlobDeleter
from application.jobs import JobHandler
from application.observing.trace import current_trace
from domain.errors import FileGone, FileNotFound, InvalidPicture, JobTakenOver, TooManyPixels
from domain.file import File
from domain.ids import BlobKey, FileId, JobId
from domain.image import THUMBNAILS, Image
from domain.job import Job
from domain.rendition import Box, Drawn, Rendition
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.image_processor import ImageProcessor
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_FINAL = (InvalidPicture, TooManyPixels, FileGone)  # it would be no better next time
_GIVEN_UP = "its thumbnails could not be drawn: it was tried several times"


class ThumbnailsHandler(JobHandler):
    """A job's subject is the image's id (``application/jobs.py``)."""

    kind = THUMBNAILS

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        blobs: BlobStorage,
        processor: ImageProcessor,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._processor = processor
        self._clock = clock
        self._ids = ids

    async def run(self, job: Job) -> None:
        """Draw them and be done; the image is DONE then or, if it can't be drawn, ERROR. A file that is gone meanwhile
        has no image, and needs nothing.

        Raises:
            Unavailable: try again.
            JobTakenOver: another worker has the job; nothing of what was done here counts.
        """
        async with self._unit_of_work() as work:
            file = await _file_of(work, job)
        try:
            drawn = [] if file is None else await self._draw(file)
        except _FINAL as error:
            await self._fail(job, error.detail)
            return
        await self._keep(job, drawn)

    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        await self._become_failed(work, job, _GIVEN_UP)

    async def revived(self, work: UnitOfWork, job: Job) -> None:
        found = await _find(work, job)
        if found is not None:
            image, file = found
            image.queue(self._clock.now())
            await work.images.save(image)
            work.announce(image.event(file))

    async def _draw(self, file: File) -> Sequence[Drawn]:
        picture = await self._blobs.open(file.blob_key)
        try:
            return await self._processor.draw(picture, list(Box))
        finally:
            await picture.close()

    async def _keep(self, job: Job, drawn: Sequence[Drawn]) -> None:
        renditions = [_rendition(one, BlobKey(self._ids.new())) for one in drawn]
        async with self._unit_of_work() as work:
            for rendition in renditions:
                await work.blob_deletions.add(rendition.blob_key, self._clock.now())
            await work.commit()
        is_kept = False
        try:
            for rendition, one in zip(renditions, drawn, strict=True):
                await self._blobs.put(rendition.blob_key, one.data)
            is_kept = await self._finish(job, renditions)
        except JobTakenOver:
            await self._delete(renditions)
            raise
        if not is_kept:
            await self._delete(renditions)

    async def _finish(self, job: Job, renditions: Sequence[Rendition]) -> bool:
        """Whether they are the image's now."""
        async with self._unit_of_work() as work:
            await work.jobs.remove(job)
            found = await _find(work, job)
            is_kept = False
            if found is not None and renditions:
                image, file = found
                image.finish(renditions, self._clock.now())
                is_kept = await work.images.save(image)
                if is_kept:
                    for rendition in renditions:
                        await work.blob_deletions.withdraw(rendition.blob_key)
                    work.announce(image.event(file))
            await work.commit()
        return is_kept

    async def _fail(self, job: Job, error: str) -> None:
        async with self._unit_of_work() as work:
            await work.jobs.remove(job)
            await self._become_failed(work, job, error)
            await work.commit()

    async def _become_failed(self, work: UnitOfWork, job: Job, error: str) -> None:
        found = await _find(work, job)
        if found is not None:
            image, file = found
            image.fail(error, self._clock.now())
            if await work.images.save(image):
                work.announce(image.event(file))

    async def _delete(self, renditions: Sequence[Rendition]) -> None:
        for rendition in renditions:
            await self._deleter.delete_now(rendition.blob_key)


async def have_drawn(
    work: UnitOfWork, image: Image, file: File, *, job_id: JobId, now: datetime, is_new: bool = False
) -> None:
    """Once this is committed, a worker draws the image's thumbnails. ``is_new``: it has not been stored yet."""
    image.queue(now)
    await (work.images.add(image) if is_new else work.images.save(image))
    job = Job(job_id, THUMBNAILS, image.id, created_at=now, due_at=now, trace=current_trace())
    await work.jobs.add(job)
    work.announce(image.event(file))


async def _file_of(work: UnitOfWork, job: Job) -> File | None:
    """What is to be drawn; None if nothing is."""
    found = await _find(work, job)
    if found is None or found[0].is_over:
        return None
    return found[1]


async def _find(work: UnitOfWork, job: Job) -> tuple[Image, File] | None:
    image = await work.images.find_any(FileId(job.subject))
    if image is None:
        return None
    with suppress(FileNotFound):  # deleted between the two
        return image, await work.files.find(image.id)
    return None


def _rendition(drawn: Drawn, blob_key: BlobKey) -> Rendition:
    return Rendition(
        box=drawn.box,
        width=drawn.width,
        height=drawn.height,
        media_type=drawn.media_type,
        size=len(drawn.data),
        blob_key=blob_key,
    )
