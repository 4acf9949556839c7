"""Pictures: taken in, or made of files that are stored already, told of and given out. ``rendering.py`` draws them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from application.download import DownloadUseCase, OpenFile, SignedToken
from application.picture_intake import PictureIntake
from application.rendering import have_drawn
from application.upload.keeping import KeepUseCase
from application.views import ImageView
from domain.access import Principal
from domain.errors import ThumbnailNotFound, UploadNotFound
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import FileId, JobId, UploadId
from domain.image import THUMBNAILS, Image
from domain.rendition import Box
from domain.upload import Upload
from ports.byte_source import ByteSource
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.image_processor import ImageProcessor
from ports.spool import Spool
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_NOTHING: Mapping[str, str] = {}


async def _nothing_more(_: int) -> None:
    """All has come."""


class ImageUseCase:
    """An image is opened by whoever opens its file, and bears its id: a link that is signed for the file opens all of
    it. Unknown ones, those of others, and files that nobody has made an image of are all NotFound.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        keeping: KeepUseCase,
        downloads: DownloadUseCase,
        processor: ImageProcessor,
        spool: Spool,
        clock: Clock,
        ids: IdGenerator,
        max_size: int,
    ) -> None:
        """``max_size``: of a picture that is received, in bytes."""
        self._unit_of_work = unit_of_work
        self._keeping = keeping
        self._downloads = downloads
        self._intake = PictureIntake(processor)
        self._spool = spool
        self._clock = clock
        self._ids = ids
        self._max_size = max_size

    async def receive(
        self,
        principal: Principal,
        source: ByteSource,
        *,
        filename: str,
        watch_id: str = "",
        before_kept: Callable[[int], Awaitable[None]] = _nothing_more,
    ) -> ImageView | None:
        """Bring a picture in and have its thumbnails drawn; None (and nothing kept) if its body was cut.

        What it is its bytes say, not its name. ``before_kept`` is awaited with its size once all of it is here: what
        it raises keeps the picture from being kept. ``watch_id``: as in ``UploadUseCase.create``.

        Raises:
            InvalidPicture, TooManyPixels: by its first bytes, or its header.
            UploadTooLarge, BudgetExceeded, Unavailable: nothing is kept.
        """
        async with self._spool.open() as picture:
            await self._intake.gather(source, picture, max_size=self._max_size)
            if source.is_cut:
                return None
            format_ = await self._intake.look(picture, asker=principal.owner)
            await before_kept(picture.size)
            draft = FileDraft.of(filename=filename, media_type=format_.media_type)
            made: list[Image] = []

            async def queue(work: UnitOfWork, upload: Upload, file: File) -> None:
                image = Image.of(file, upload.watch_id, self._clock.now())
                await have_drawn(work, image, file, job_id=JobId(self._ids.new()), now=self._clock.now(), is_new=True)
                made.append(image)

            file = await self._keeping.keep(principal, draft, picture, alongside=queue, watch_id=watch_id)
        return ImageView.of(made[0], file)

    async def enlist(self, principal: Principal, file_id: FileId, given: Mapping[str, str] = _NOTHING) -> ImageView:
        """Have thumbnails drawn of a stored file, whatever brought it; said again, it changes nothing, unless that
        failed before.

        Raises:
            FileNotFound, CredentialRefused: it is not the caller's.
            InvalidPicture, TooManyPixels: by its first bytes, or its header.
            FileGone, Unavailable
        """
        async with self._unit_of_work() as work:
            file = await work.files.find(file_id)
            file.check_changed_by(principal, given, self._clock.now())
            image = await work.images.find_any(file_id)
        if image is not None and not image.may_be_queued:
            return ImageView.of(image, file)
        opened = await self._downloads.open_stored(file)
        try:
            await self._intake.look(opened.blob, asker=principal.owner)
        finally:
            await opened.blob.close()
        return await self._enlist(principal, file)

    async def describe(
        self,
        principal: Principal,
        image_id: FileId,
        given: Mapping[str, str] = _NOTHING,
        link: SignedToken | None = None,
    ) -> ImageView:
        """``link``: the signed one that is followed, where it is one; then nobody is asked who they are.

        Raises:
            FileNotFound, CredentialRefused, LinkAltered, LinkExpired: as of its file.
            ImageNotFound
        """
        image, file = await self._find(principal, image_id, given, link)
        return ImageView.of(image, file)

    async def open_thumbnail(
        self,
        principal: Principal,
        image_id: FileId,
        box: Box,
        given: Mapping[str, str] = _NOTHING,
        link: SignedToken | None = None,
    ) -> OpenFile:
        """The thumbnail, told of as a file of its own; whoever gets it closes the blob. It never changes.

        Raises:
            as ``describe``
            ThumbnailNotFound: it has not been drawn, yet or at all.
            FileGone: its bytes were taken away behind our back.
        """
        image, file = await self._find(principal, image_id, given, link)
        rendition = image.rendition(box)
        if rendition is None:
            raise ThumbnailNotFound("there is no such thumbnail, yet or at all: the image's status tells")
        drawn = replace(
            file,
            id=FileId(rendition.blob_key),
            name=rendition.name_of(file.name),
            media_type=rendition.media_type,
            size=rendition.size,
            blob_key=rendition.blob_key,
            created_at=image.updated_at,
            crc64=None,
            sha256=None,
        )
        return await self._downloads.open_stored(drawn)

    async def _find(
        self, principal: Principal, image_id: FileId, given: Mapping[str, str], link: SignedToken | None
    ) -> tuple[Image, File]:
        if link is not None:
            file = await self._downloads.describe_signed(link)
        else:
            file = await self._downloads.describe(principal, image_id, given)
        async with self._unit_of_work() as work:
            return await work.images.find(file.id), file

    async def _enlist(self, principal: Principal, file: File) -> ImageView:
        async with self._unit_of_work() as work:
            await work.jobs.forget(THUMBNAILS, file.id)  # the one that failed
            file = await work.files.find(file.id)
            await work.images.add(Image.of(file, await _watch_id(work, principal, file), self._clock.now()))
            image = await work.images.find(file.id)
            if image.may_be_queued:  # nobody else has just done so
                await have_drawn(work, image, file, job_id=JobId(self._ids.new()), now=self._clock.now())
                await work.commit()
        return ImageView.of(image, file)


async def _watch_id(work: UnitOfWork, principal: Principal, file: File) -> str:
    try:
        return (await work.uploads.get(UploadId(file.id), principal)).watch_id
    except UploadNotFound:
        return file.id
