"""Files by one request that can't be resumed: a small one in one step, others as uploads that nobody else knows of."""

from collections.abc import Sequence

from application.upload.completing import UploadCompleting
from application.upload.ending import UploadEnding
from application.upload.leaving import Leaving
from application.upload.receiving import Receiver
from application.upload.records import UploadRecords
from application.upload.warm_uploads import WarmUploads
from application.upload.whole_files import WholeFiles
from application.views import UploadView
from domain.access import Principal
from domain.checksum import Checksum
from domain.events import EventType
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource
from ports.room import Room


class UploadStoring:
    def __init__(
        self,
        *,
        whole_files: WholeFiles,
        uploads: WarmUploads,
        records: UploadRecords,
        receiver: Receiver,
        completing: UploadCompleting,
        ending: UploadEnding,
        policy: UploadPolicy,
        room: Room,
    ) -> None:
        self._whole_files = whole_files
        self._uploads = uploads
        self._records = records
        self._receiver = receiver
        self._completing = completing
        self._ending = ending
        self._policy = policy
        self._room = room

    async def store(
        self, principal: Principal, new: Upload, source: ByteSource, checksums: Sequence[Checksum], *, in_one_step: bool
    ) -> UploadView | None:
        """See ``UploadUseCase.store``."""
        await self._room.check(1 if source.length is None else source.length)
        if await self._whole_files.take(new, source, checksums):
            return UploadView.of(new)
        return None if in_one_step else await self._store(principal, new, source, checksums)

    async def _store(
        self, principal: Principal, new: Upload, source: ByteSource, checksums: Sequence[Checksum]
    ) -> UploadView | None:
        await self._records.begin(new)
        leaving = Leaving(source)
        async with (
            self._ending.or_nothing(principal, new.id),
            self._uploads.begun(principal, new, leaving.begin) as (upload, lease),
        ):
            upload.check_append(at=0, announced=source.length, policy=self._policy)
            await self._receiver.receive(upload, lease, source, checksums)
            if not upload.is_ready:  # else all the announced bytes are there, however the body ended
                leaving.check(lease)
                if source.is_cut:
                    await self._ending.end(upload, EventType.ABORTED)
                    return None
            await self._completing.complete_received(upload)
            return UploadView.of(upload)
