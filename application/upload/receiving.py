"""What comes at an upload's offset: made durable, recorded, and only then told, a stretch at a time."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from application.upload.allowance import Allowances
from domain.byte_range import Extent
from domain.checksum import Checksum, Comparison
from domain.errors import ChecksumMismatch, StorageFull
from domain.events import EventType
from domain.receipt import Receipt
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource
from ports.chunk_intake import ChunkIntake
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.room import Room
from ports.upload_lock import Lease


class Receiver:
    """``intake``: takes small chunks in place of ``storage`` and ``ledger``, where there is one."""

    def __init__(
        self,
        *,
        storage: ChunkStorage,
        ledger: ReceivedLedger,
        intake: ChunkIntake | None,
        notifier: ProgressNotifier,
        clock: Clock,
        policy: UploadPolicy,
        allowances: Allowances,
        room: Room,
    ) -> None:
        self._storage = storage
        self._ledger = ledger
        self._intake = intake
        self._notifier = notifier
        self._clock = clock
        self._policy = policy
        self._allowances = allowances
        self._room = room

    async def receive(
        self,
        upload: Upload,
        lease: Lease,
        source: ByteSource,
        checksums: Sequence[Checksum],
        on_received: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Count in what comes at the offset; with ``checksums`` all of it or nothing. See ``UploadUseCase.append``."""
        comparison = Comparison(checksums) if checksums else None
        if source.length == 0:
            _check_same(comparison)
            return
        end = await self._allowances.end(upload, announced=source.length)
        if upload.offset == end:
            await self._check_ended(upload, source, end)
            _check_same(comparison)
            return
        left = await self._room.check(1 if source.length is None else source.length)
        if self._intake and comparison is None and source.length is not None and self._intake.accepts(source.length):
            if data := await source.gather(min(end - upload.offset, source.length)):
                await self._take(self._intake, upload, lease, data)
                on_received(upload.offset)
                await self._allowances.spend(upload, len(data))
        else:
            await self._receive_stretches(
                upload, lease, source, end=end, left=left, comparison=comparison, on_received=on_received
            )

    async def record(self, upload: Upload, lease: Lease, extent: Extent) -> None:
        """Count in what is durable."""
        now = self._clock.now()
        receipt = upload.receipt(extent, now, self._policy, in_order=True)
        await self._ledger.record(receipt, lease)
        self._count(upload, receipt, now)

    async def _take(self, intake: ChunkIntake, upload: Upload, lease: Lease, data: bytes) -> None:
        at, now = upload.offset, self._clock.now()
        receipt = upload.receipt(intake.extent(at, data), now, self._policy, in_order=True)
        await intake.take(receipt, lease, at=at, data=data)
        self._count(upload, receipt, now)

    def _count(self, upload: Upload, receipt: Receipt, now: datetime) -> None:
        """It is committed: from here on it counts, and everybody may hear of it."""
        upload.count(receipt, now)
        self._notifier.publish(upload.event(EventType.PROGRESS, now))

    async def _receive_stretches(
        self,
        upload: Upload,
        lease: Lease,
        source: ByteSource,
        *,
        end: int,
        left: int,
        comparison: Comparison | None,
        on_received: Callable[[int], None],
    ) -> None:
        at = upload.offset
        unverified: list[Extent] = []
        limit = min(end - at, left)
        writing = self._storage.write(
            upload.id, at=at, source=source, limit=limit, hasher=comparison, permit=lease.check
        )
        async with aclosing(writing) as stretches:
            async for extent in stretches:
                if extent.range.end == end:
                    await self._check_ended(upload, source, end)
                if comparison:
                    unverified.append(extent)
                else:
                    await self.record(upload, lease, extent)
                    on_received(upload.offset)
                await self._allowances.spend(upload, extent.range.size)
                if extent.range.end < end:
                    await self._room.check(0)
        if limit < end - at and source.length is None and await source.read(1):
            raise StorageFull("the body is longer than there is room for")
        if not source.is_cut:
            # tus 1.0 §Checksum: on mismatch the offset MUST NOT change.
            _check_same(comparison)
            for extent in unverified:
                await self.record(upload, lease, extent)

    async def _check_ended(self, upload: Upload, source: ByteSource, end: int) -> None:
        # An announced body was measured before its first byte; only an unannounced one can run over.
        if source.length is None and await source.read(1):
            raise self._allowances.excess(upload, end=end)


def _check_same(comparison: Comparison | None) -> None:
    if comparison and (differing := comparison.differing()):
        raise ChecksumMismatch(f"the body's {differing.algorithm} is another one")
