"""Small files that come whole by one request: a phone's photos, by the thousand.

Nobody knows such an upload before its bytes are durable, so it needs no lease, no receipt of its own and no second
look: its row is committed with all its bytes in it, ready to be completed. Should we be killed right then, another
process completes it (``reconcile.py``); before that its bytes are nobody's, and cleanup takes them.
"""

from collections.abc import Sequence
from contextlib import aclosing, suppress

from application.upload.completing import UploadCompleting
from application.upload.ending import UploadEnding
from application.upload.records import UploadRecords
from application.views import UploadView
from domain.access import Principal
from domain.checksum import Checksum
from domain.errors import LongshoreError
from domain.events import EventType
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.progress_notifier import ProgressNotifier

_MOST_BYTES = 256 * 1024


class WholeFiles:
    def __init__(
        self,
        *,
        records: UploadRecords,
        completing: UploadCompleting,
        ending: UploadEnding,
        storage: ChunkStorage,
        notifier: ProgressNotifier,
        clock: Clock,
        policy: UploadPolicy,
    ) -> None:
        self._records = records
        self._completing = completing
        self._ending = ending
        self._storage = storage
        self._notifier = notifier
        self._clock = clock
        self._policy = policy

    def takes(self, source: ByteSource, new: Upload, checksums: Sequence[Checksum]) -> bool:
        """Whether the body is told to be small, and nothing has to be compared before it may be a file."""
        return 0 < (source.length or 0) <= _MOST_BYTES and not checksums and not new.draft.checksums

    async def store(self, principal: Principal, new: Upload, source: ByteSource) -> UploadView | None:
        """See ``UploadUseCase.store``."""
        new.check_append(at=0, announced=source.length, policy=self._policy)
        try:
            await self._receive(new, source)
            if source.is_cut and not new.is_whole:
                await self._storage.discard(new.id)
                return None
            new.declare_length(new.offset, self._policy)
            await self._records.begin(new)
            self._notifier.publish(new.event(EventType.PROGRESS, new.updated_at))
        except BaseException:
            with suppress(LongshoreError):  # what is left is nobody's: cleanup takes it
                await self._storage.discard(new.id)
            raise
        async with self._ending.or_nothing(principal, new.id):
            await self._completing.complete(new)
        return UploadView.of(new)

    async def _receive(self, new: Upload, source: ByteSource) -> None:
        writing = self._storage.write(new.id, at=0, source=source, limit=source.length, hasher=None)
        async with aclosing(writing) as stretches:
            async for extent in stretches:
                now = self._clock.now()
                new.count(new.receipt(extent, now, self._policy, in_order=True), now)
