"""Makes a file of bytes that are at hand already, checked and all: pictures, which are looked at before they count.

Its upload is complete when it is first recorded (as in ``whole_files.py``), in the transaction of whatever belongs with
the file. The blob's key is noted as to be deleted before the bytes are written: should that transaction never come,
cleanup takes them away.
"""

from collections.abc import Awaitable, Callable

from application.blob_deletions import BlobDeleter
from application.digest import DigestUseCase
from application.upload.endless_room import EndlessRoom
from application.upload.records import UploadRecords
from domain.access import Principal
from domain.byte_range import ByteRange, Extent
from domain.errors import LongshoreError, Unavailable
from domain.events import EventType
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import BlobKey, UploadId, blob_key_of
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from ports.blob_storage import Blob, BlobStorage
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.room import Room
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

Alongside = Callable[[UnitOfWork, Upload, File], Awaitable[None]]
"""What is recorded with a file, in its transaction; what it raises keeps the file from being there at all."""
Beforehand = Callable[[UnitOfWork], Awaitable[None]]
"""What comes first in that transaction: locks, what speaks against the file, what has to go for it."""


async def _nothing(_: UnitOfWork) -> None:
    """There is nothing to be done."""


class KeepUseCase:
    """``room``: None: bytes come until storage is full."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        blobs: BlobStorage,
        digests: DigestUseCase,
        clock: Clock,
        ids: IdGenerator,
        policy: UploadPolicy,
        room: Room | None = None,
    ) -> None:
        self._records = UploadRecords(unit_of_work=unit_of_work, clock=clock, ids=ids, policy=policy)
        self._unit_of_work = unit_of_work
        self._blobs = blobs
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._digests = digests
        self._clock = clock
        self._policy = policy
        self._room = room or EndlessRoom()

    async def check_place(self, work: UnitOfWork, principal: Principal, size: int) -> None:
        """Whether there may be one more file, of so many bytes, as far as is known now: before it is sent in vain.

        Raises:
            TooManyFiles, QuotaExceeded
        """
        if self._policy.has_quota:
            usage = await work.uploads.usage(principal.owner)
            self._policy.check_usage(Usage(open_uploads=0, files=usage.files + 1, bytes=usage.bytes + size))

    async def keep(
        self,
        principal: Principal,
        draft: FileDraft,
        content: Blob,
        *,
        alongside: Alongside,
        beforehand: Beforehand = _nothing,
        watch_id: str = "",
        key: Callable[[UploadId], BlobKey] = blob_key_of,
    ) -> File:
        """``content`` has at least one byte. ``key``: what the blob is called; never twice the same. ``watch_id``:
        as in ``UploadUseCase.create``.

        Raises:
            UploadTooLarge, BudgetExceeded, StorageFull and other Unavailable, and what ``beforehand`` and ``alongside``
                raise: nothing is kept.
        """
        new = self._records.new(principal, draft, length=content.size, watch_id=watch_id)
        await self._room.check(content.size)
        blob_key = key(new.id)
        async with self._unit_of_work() as work:
            await work.blob_deletions.add(blob_key, new.created_at)
            await work.commit()
        try:
            crc64 = await self._blobs.put(blob_key, content)
            file = await self._record(new, Extent(ByteRange(0, content.size), crc64), blob_key, beforehand, alongside)
        except LongshoreError as error:
            if not isinstance(error, Unavailable):  # else it may be recorded all the same
                await self._deleter.delete_now(blob_key)
            raise
        self._digests.notice(file)
        return file

    async def _record(
        self, new: Upload, extent: Extent, blob_key: BlobKey, beforehand: Beforehand, alongside: Alongside
    ) -> File:
        now = self._clock.now()
        created = new.event(EventType.CREATED, new.created_at)
        new.count(new.receipt(extent, now, self._policy, in_order=True), now)
        progress = new.event(EventType.PROGRESS, now)
        new.assemble()
        file = new.complete(blob_key=blob_key, now=now)
        async with self._unit_of_work() as work:
            await beforehand(work)
            await work.blob_deletions.withdraw(blob_key)
            await work.uploads.add(new)
            await work.files.add(file)
            await self._records.check_quota(work, new)
            for event in (created, progress, new.event(EventType.COMPLETED, now)):
                work.announce(event)
            await alongside(work, new, file)
            await work.commit()
        return file
