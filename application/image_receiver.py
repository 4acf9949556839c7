"""Receives the pictures of image sessions, one after the other: looked at as they come, kept once they are known to be
whole and unlike the others. Contract towards clients: docs/images.md, The image receiver.

Until then their bytes are in a spool, of which a crash leaves nothing. The session's state is the database's alone, so
its limits hold for all sockets of all processes: they are looked at before the bytes come, and again, under the
session's lock, in the transaction that keeps the picture.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from application.blob_deletions import BlobDeleter
from application.erasing import erase
from application.rendering import have_drawn
from application.upload.endless_room import EndlessRoom
from application.upload.keeping import KeepUseCase
from domain.access import Principal
from domain.errors import (
    ImageNotFound,
    InvalidPicture,
    LengthExceeded,
    PictureCorrupted,
    UploadNotOpen,
    UploadTooLarge,
)
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import BlobKey, JobId, UploadId
from domain.image import Image
from domain.picture import SNIFFED_BYTES, CheckedPicture, PictureFormat
from domain.received_image import (
    TAKEN,
    ImageSession,
    ReceivedImage,
    SessionLimits,
    check_unlike,
    judge,
    received_key,
    received_name,
)
from domain.upload import Upload
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.image_processor import ImageProcessor
from ports.room import Room
from ports.spool import Spool, Spooled
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_AT_ONCE_BYTES = 64 * 1024


class ImageReceiverUseCase:
    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        keeping: KeepUseCase,
        blobs: BlobStorage,
        spool: Spool,
        processor: ImageProcessor,
        clock: Clock,
        ids: IdGenerator,
        limits: SessionLimits,
        room: Room | None = None,
    ) -> None:
        self.limits = limits
        self._unit_of_work = unit_of_work
        self._keeping = keeping
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._spool = spool
        self._processor = processor
        self._clock = clock
        self._ids = ids
        self._room = room or EndlessRoom()

    async def begin(
        self, principal: Principal, session: ImageSession, index: int, *, file_name: str, size: int | None = None
    ) -> "Incoming":
        """``size``: of all its bytes, where the client tells. Whoever gets one of these closes it.

        Raises:
            TooManyImages, TooManyFiles, QuotaExceeded, UploadTooLarge, InvalidPicture (of no bytes), StorageFull: none
                is to be sent.
        """
        if size is not None and size > self.limits.max_bytes:
            raise UploadTooLarge(f"an image has at most {self.limits.max_bytes} bytes")
        if size == 0:
            raise InvalidPicture("no bytes are no picture")
        async with self._unit_of_work() as work:
            received = await work.received_images.list(session)
            self.limits.check_count(index, received)
            if all(image.index != index for image in received):  # else another one goes for it
                await self._keeping.check_place(work, principal, size or 1)
        await self._room.check(size or self.limits.max_bytes)
        return Incoming(self, principal, session, index, file_name=file_name, size=size)

    async def delete(self, session: ImageSession, name: str) -> None:
        """Take the picture of that name out of the session, for good.

        Raises:
            ImageNotFound: the session has none of that name.
        """
        async with self._unit_of_work() as work:
            await work.received_images.lock(session)
            known = {image.name: image for image in await work.received_images.list(session)}
            if name not in known:
                raise ImageNotFound("the session has no image of this name")
            keys = await self._remove(work, known[name])
            await work.commit()
        await self._delete_blobs(keys)

    def spooled(self) -> AbstractAsyncContextManager[Spooled]:
        return self._spool.open()

    async def keep(self, incoming: "Incoming", picture: Spooled) -> str:
        """Keep what has come whole; return what it is called. Of two that come for one index the later one stays.

        Raises:
            InvalidPicture, PictureCorrupted, DuplicatePicture, TooManyImages, TooManyPixels, BudgetExceeded,
            UploadNotOpen (nobody waits for it any more), Unavailable: it is not there, and whatever was there still is.
        """
        checked = await self._check(picture, incoming.principal)
        session, index = incoming.session, incoming.index
        gone: list[BlobKey] = []
        async with self._unit_of_work() as work:  # before its bytes are stored for nothing
            await self._check_session(work, session, index, checked.dhash)

        def name_of(file_id: str) -> str:
            return received_name(index, UploadId(file_id), checked.facts.format)

        async def beforehand(work: UnitOfWork) -> None:
            incoming.check_wanted()
            await work.received_images.lock(session)
            for former in await self._check_session(work, session, index, checked.dhash):
                if former.index == index:
                    gone.extend(await self._remove(work, former))

        async def alongside(work: UnitOfWork, upload: Upload, file: File) -> None:
            received = ReceivedImage(session, index, file.id, name_of(upload.id), checked.dhash)
            await work.received_images.put(received)
            now = self._clock.now()
            image = Image.of(file, upload.watch_id, now)
            await have_drawn(work, image, file, job_id=JobId(self._ids.new()), now=now, is_new=True)

        file = await self._keeping.keep(
            incoming.principal,
            FileDraft.of(filename=incoming.file_name, media_type=checked.facts.format.media_type),
            picture,
            beforehand=beforehand,
            alongside=alongside,
            key=lambda upload_id: received_key(session, name_of(upload_id)),
        )
        await self._delete_blobs(gone)
        return name_of(file.id)

    async def _check(self, picture: Spooled, principal: Principal) -> CheckedPicture:
        try:
            checked = await self._processor.check(picture, asker=principal.owner)
        except InvalidPicture as error:  # its first bytes said that it is one
            raise PictureCorrupted(error.detail) from error
        if checked.facts.format not in TAKEN:
            raise InvalidPicture("no picture of a format that is taken here")
        return checked

    async def _check_session(
        self, work: UnitOfWork, session: ImageSession, index: int, dhash: int
    ) -> Sequence[ReceivedImage]:
        received = await work.received_images.list(session)
        self.limits.check_count(index, received)
        check_unlike(dhash, index, received)
        return received

    async def _remove(self, work: UnitOfWork, image: ReceivedImage) -> list[BlobKey]:
        await work.received_images.remove(image)
        return await erase(work, image.file_id, self._clock.now())

    async def _delete_blobs(self, keys: list[BlobKey]) -> None:
        for key in keys:
            await self._deleter.delete_now(key)


class Incoming:
    """A picture on its way; ``close`` it at the end, whatever came of it."""

    def __init__(
        self,
        receiver: ImageReceiverUseCase,
        principal: Principal,
        session: ImageSession,
        index: int,
        *,
        file_name: str,
        size: int | None,
    ) -> None:
        self.principal = principal
        self.session = session
        self.index = index
        self.file_name = file_name
        self.size = size
        self.received = 0
        self._receiver = receiver
        self._held = bytearray()  # small frames go to the spool together
        self._format: PictureFormat | None = None
        self._stack = AsyncExitStack()
        self._spooled: Spooled | None = None
        self._is_unwanted = False

    @property
    def is_whole(self) -> bool:
        """Whether all bytes that were announced have come; else only the client can tell."""
        return self.received == self.size

    @property
    def percent(self) -> int:
        """Of what was announced, or else of the most there may be."""
        return min(100, round(100 * self.received / (self.size or self._receiver.limits.max_bytes)))

    async def take(self, data: bytes) -> None:
        """Raises:
        InvalidPicture, UploadTooLarge, LengthExceeded: no more is to be sent.
        StorageFull, StorageUnavailable
        """
        self.received += len(data)
        self._held += data
        if self._format is None:
            self._format = judge(bytes(self._held[:SNIFFED_BYTES]))
        if self.received > self._receiver.limits.max_bytes:
            raise UploadTooLarge(f"an image has at most {self._receiver.limits.max_bytes} bytes")
        if self.size is not None and self.received > self.size:
            raise LengthExceeded(f"{self.size} bytes were announced")
        if len(self._held) >= _AT_ONCE_BYTES:
            await self._flush()

    async def finish(self) -> str:
        """No more comes; return what the picture is called now. Raises as ``ImageReceiverUseCase.keep``."""
        if self.size is not None and not self.is_whole:
            raise PictureCorrupted(f"{self.size} bytes were announced, {self.received} came")
        if self._format is None:
            judge(bytes(self._held), is_all=True)
        return await self._receiver.keep(self, await self._flush())

    def forsake(self) -> None:
        """Nobody waits for it any more: unless it is being committed just now, it is not kept."""
        self._is_unwanted = True

    def check_wanted(self) -> None:
        """Raises:
        UploadNotOpen: it is forsaken.
        """
        if self._is_unwanted:
            raise UploadNotOpen("its sender has gone")

    async def close(self) -> None:
        self.forsake()
        await self._stack.aclose()

    async def _flush(self) -> Spooled:
        if self._spooled is None:
            self._spooled = await self._stack.enter_async_context(self._receiver.spooled())
        if self._held:
            data, self._held = bytes(self._held), bytearray()
            await self._spooled.append(data)
        return self._spooled
