"""The end of uploads that become no file: aborted, or expired; their bytes are freed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from application.blob_deletions import BlobDeleter
from application.upload.warm_uploads import WarmUploads
from domain.access import Principal
from domain.errors import LongshoreError, UploadBusy, UploadGone, UploadTakenOver
from domain.events import EventType
from domain.ids import UploadId, blob_key_of
from domain.upload import Upload
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.1


class UploadEnding:
    def __init__(
        self,
        *,
        uploads: WarmUploads,
        unit_of_work: UnitOfWorkFactory,
        storage: ChunkStorage,
        deleter: BlobDeleter,
        clock: Clock,
    ) -> None:
        self._uploads = uploads
        self._unit_of_work = unit_of_work
        self._storage = storage
        self._deleter = deleter
        self._clock = clock

    async def abort(self, principal: Principal, upload_id: UploadId) -> None:
        """See ``UploadUseCase.abort``."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._uploads.opened(principal, upload_id) as (upload, _):
                    upload.check_here(self._clock.now())
                    if upload.is_joined:
                        await self._forget(upload)
                    else:
                        await self.end(upload, EventType.ABORTED)
                return
            except UploadBusy:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            except UploadTakenOver:
                # Known here, and joined at another server since: by now it is known no more, and read anew.
                if attempt or not (await self._uploads.read(principal, upload_id)).is_joined:
                    raise
            except UploadGone:
                if attempt == 0:
                    raise
                return  # who came between has done it

    async def expire(self, principal: Principal, upload_id: UploadId) -> bool:
        """End the upload if its time has run out; return whether it was so."""
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            if not upload.state.is_open or self._clock.now() < upload.expires_at:
                return False
            await self.end(upload, EventType.EXPIRED)
            return True

    async def end(self, upload: Upload, how: EventType) -> None:
        """The caller holds the upload's lease. ``how``: ABORTED or EXPIRED."""
        now = self._clock.now()
        if how is EventType.EXPIRED:
            upload.expire(now)
        else:
            upload.abort(now)
        blob_key = blob_key_of(upload.id) if upload.may_be_sealed else None
        async with self._unit_of_work() as work:
            await work.uploads.save(upload)
            work.announce(upload.event(how, now))
            if blob_key is not None:
                await work.blob_deletions.add(blob_key, now)
            await work.commit()
        # In this order: what is not staged any more can't be sealed by one who was thought dead.
        await self._storage.discard(upload.id)
        if blob_key is not None:
            await self._deleter.delete_now(blob_key)

    async def _forget(self, part: Upload) -> None:
        """Of a joined part there is nothing left to be told; what was made of it is a copy of its own."""
        async with self._unit_of_work() as work:
            await work.uploads.delete(part.id)
            await work.commit()
        await self._storage.discard(part.id)

    @asynccontextmanager
    async def or_nothing(self, principal: Principal, upload_id: UploadId) -> AsyncIterator[None]:
        """Abort the upload if the block fails: nobody would go on with it, for the client never learns its id.

        If that fails too, it expires.
        """
        try:
            yield
        except BaseException:
            with suppress(LongshoreError):
                await self.abort(principal, upload_id)
            raise
