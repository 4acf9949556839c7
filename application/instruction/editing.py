"""The job that works on an instruction's detail. It may be run twice, or die at any point: what counts is one
transaction, that of the file which comes of it (``upload/keeping.py``)."""

from application.jobs import JobHandler
from application.upload.keeping import KeepUseCase
from domain.access import Principal
from domain.errors import BudgetExceeded, DetailNotFound, FileGone, FileNotFound, InvalidRequest, TooLarge
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import DetailId
from domain.instruction import EDIT, Detail, DetailStatus
from domain.job import Job
from domain.product import Edited, Recipe
from domain.upload import Upload
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.image_processor import ImageProcessor
from ports.spool import Spool, Spooled
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_FINAL = (InvalidRequest, TooLarge, FileGone, BudgetExceeded)  # it would be no better next time
_GIVEN_UP = "this could not be done: it was tried several times"
_DELETED = "its file has been deleted"


class EditHandler(JobHandler):
    """A job's subject is the detail's id (``application/jobs.py``)."""

    kind = EDIT

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        keeping: KeepUseCase,
        blobs: BlobStorage,
        processor: ImageProcessor,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._keeping = keeping
        self._blobs = blobs
        self._processor = processor
        self._spool = spool
        self._clock = clock

    async def run(self, job: Job) -> None:
        """Do it and keep what comes of it as a file of the input's owner; the detail is DONE then or, if it can't be
        done, FAILED.

        Raises:
            Unavailable: try again.
            JobTakenOver: another worker has the job; nothing of what was done here counts.
        """
        begun = await self._begin(job)
        if begun is None:
            return
        file, recipe = begun
        try:
            async with self._spool.open() as result:
                edited = await self._edit(file, recipe, result)
                await self._keep(job, file, edited, result)
        except _FINAL as error:
            await self._fail(job, error.detail)
        except DetailNotFound:  # withdrawn meanwhile, with the rest of its form
            await self._fail(job, "")

    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        await self._become_failed(work, job, _GIVEN_UP)

    async def revived(self, work: UnitOfWork, job: Job) -> None:
        detail = await _find(work, job)
        if detail is not None and detail.status is DetailStatus.FAILED:
            detail.queue(self._clock.now())
            await _save(work, detail, was=DetailStatus.FAILED)

    async def _begin(self, job: Job) -> tuple[File, Recipe] | None:
        """What is to be done to which file; None if nothing is, and the job is done."""
        async with self._unit_of_work() as work:
            detail = await _find(work, job)
            if detail is None or detail.status.is_over:
                await work.jobs.remove(job)
                await work.commit()
                return None
            instruction = await work.instructions.find(detail.instruction_id)
            try:
                file = await work.files.find(detail.input.file_id)
            except FileNotFound:
                await work.jobs.remove(job)
                await self._become_failed(work, job, _DELETED)
                await work.commit()
                return None
            if detail.status is DetailStatus.PENDING:
                detail.begin(self._clock.now())
                await _save(work, detail, was=DetailStatus.PENDING)
                await work.commit()
        return file, instruction.recipe

    async def _edit(self, file: File, recipe: Recipe, result: Spooled) -> Edited:
        picture = await self._blobs.open(file.blob_key)
        try:
            return await self._processor.edit(picture, recipe, result)
        finally:
            await picture.close()

    async def _keep(self, job: Job, file: File, edited: Edited, result: Spooled) -> None:
        async def finish(work: UnitOfWork, _: Upload, output: File) -> None:
            detail = await work.instructions.find_detail(DetailId(job.subject))
            was = detail.status
            detail.finish(output, self._clock.now())
            await _save(work, detail, was=was)

        draft = FileDraft.of(filename=edited.name_of(file.name), media_type=edited.media_type)
        await self._keeping.keep(
            Principal(file.owner), draft, result, beforehand=lambda work: work.jobs.remove(job), alongside=finish
        )

    async def _fail(self, job: Job, error: str) -> None:
        async with self._unit_of_work() as work:
            await work.jobs.remove(job)
            await self._become_failed(work, job, error)
            await work.commit()

    async def _become_failed(self, work: UnitOfWork, job: Job, error: str) -> None:
        detail = await _find(work, job)
        if detail is not None and not detail.status.is_over:
            was = detail.status
            detail.fail(error, self._clock.now())
            await _save(work, detail, was=was)


async def _find(work: UnitOfWork, job: Job) -> Detail | None:
    try:
        return await work.instructions.find_detail(DetailId(job.subject))
    except DetailNotFound:
        return None


async def _save(work: UnitOfWork, detail: Detail, *, was: DetailStatus) -> None:
    if await work.instructions.save_detail(detail, was=was):
        instruction = await work.instructions.find(detail.instruction_id)
        work.announce(detail.event(instruction.owner))
