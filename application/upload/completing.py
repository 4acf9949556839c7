"""From the last byte to a file: the bytes are sealed, then upload, file and event are committed together."""

from typing import NoReturn

from application.blob_deletions import BlobDeleter
from application.digest import DigestUseCase
from application.upload.records import UploadRecords
from domain.errors import FileGone, Sha256Mismatch
from domain.events import EventType
from domain.file import File
from domain.ids import BlobKey
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory


class UploadCompleting:
    """Whoever calls holds the upload's lease."""

    def __init__(
        self,
        *,
        records: UploadRecords,
        unit_of_work: UnitOfWorkFactory,
        storage: ChunkStorage,
        digests: DigestUseCase,
        deleter: BlobDeleter,
        clock: Clock,
        policy: UploadPolicy,
    ) -> None:
        self._records = records
        self._unit_of_work = unit_of_work
        self._storage = storage
        self._digests = digests
        self._deleter = deleter
        self._clock = clock
        self._policy = policy

    async def complete_if_whole(self, upload: Upload) -> None:
        if upload.is_ready:
            await self.complete(upload)

    async def complete_as_told(self, upload: Upload, length: int) -> None:
        """The client says that the file ends at byte ``length``.

        Raises:
            BytesMissing, InconsistentLength, and as ``complete``.
        """
        if not upload.state.is_open or not upload.becomes_file:
            return
        await self._records.declare_length(upload, length, Upload.check_whole)
        await self.complete(upload)

    async def complete_received(self, upload: Upload) -> None:
        """The body has ended, and with it the file."""
        if self._policy.max_bytes is None:
            upload.declare_length(upload.offset, self._policy)  # goes with the completion
            await self.complete(upload)
        else:
            await self.complete_as_told(upload, upload.offset)

    async def complete(self, upload: Upload) -> None:
        """Seal the bytes, then commit the file; done twice, after a crash in between, it gives the same file.

        Raises:
            BytesMissing
            FileGone: storage has lost them; the upload has FAILED and can be tried again.
            Sha256Mismatch: they are not the announced whole; the upload has been aborted.
        """
        upload.assemble()
        try:
            blob_key = await self._storage.seal(upload.id, size=upload.offset, fenced=upload.chunk_size is not None)
        except FileGone:
            upload.fail(self._clock.now())
            await self._records.save(upload, EventType.FAILED)
            raise
        announced = upload.draft.checksums
        if announced and not await self._digests.matches(blob_key, upload.offset, announced):
            await self._refuse_bytes(upload, blob_key)
        async with self._unit_of_work() as work:
            now = self._clock.now()
            file = upload.complete(blob_key=blob_key, now=now)
            await work.files.add(file)
            await work.uploads.save(upload)
            work.announce(upload.event(EventType.COMPLETED, now))
            await work.commit()
        self._digests.notice(file)

    async def complete_by_duplicate(self, new: Upload) -> Upload | None:
        """The new upload, complete: if its owner (nobody else) has a file of the announced bytes.

        Both files share them from then on; they go with the last one.
        """
        if new.draft.sha256 is None or new.draft.sha512 is not None:  # the SHA-512 of what is there is not known
            return None
        async with self._unit_of_work() as work:
            known = await _find_same(work, new, new.draft.sha256)
        if known is None or not await self._digests.is_there(known):
            return None
        upload, file = new.completed_by(known, self._clock.now())
        async with self._unit_of_work() as work:
            await work.uploads.add(upload)
            if await _find_same(work, new, new.draft.sha256) != known:
                return None  # it went just now
            await work.files.add(file)
            await self._records.check_quota(work, upload)
            work.announce(upload.event(EventType.CREATED, upload.created_at))
            work.announce(upload.event(EventType.COMPLETED, upload.updated_at))
            await work.commit()
        return upload

    async def _refuse_bytes(self, upload: Upload, blob_key: BlobKey) -> NoReturn:
        """They are all there and the wrong ones: no retry can mend that, so they go and the client begins again."""
        now = self._clock.now()
        upload.fail(now)
        async with self._unit_of_work() as work:
            work.announce(upload.event(EventType.FAILED, now))
            upload.abort(now)
            await work.uploads.save(upload)
            work.announce(upload.event(EventType.ABORTED, now))
            await work.blob_deletions.add(blob_key, now)
            await work.commit()
        await self._deleter.delete_now(blob_key)
        raise Sha256Mismatch("the file's digest is another one than was announced; begin again")


async def _find_same(work: UnitOfWork, new: Upload, sha256: bytes) -> File | None:
    same = await work.files.find_same(new.owner, sha256, new.length)
    return None if same is None or same.is_guarded_from_its_owner else same
