"""Places chunks of uploads at their byte positions: in any order, many of one upload at once. Read ``place`` first.

A chunk counts as a whole or not at all. Its client sends it whole again after any fault, so half of one would only
stand in the way of the next attempt; and of two requests for the same bytes the newer one can win while nothing of
the older one has been recorded.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress

from application.upload.allowance import Allowances
from application.upload.leaving import Leaving
from application.upload.warm_uploads import WarmUploads
from application.views import UploadView
from domain.access import Principal
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.errors import (
    ChunkDiffers,
    ChunkTooLong,
    LongshoreError,
    UploadBusy,
    UploadNotFound,
)
from domain.events import EventType
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.room import Room
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import Lease, UploadLock

_PATIENCE_SECONDS = 4.0
_PAUSE_SECONDS = 0.05
_GRACE_SECONDS = 0.8  # with the lock's own look around well below the 2 s that a newer request waits


class ChunkPlacer:
    def __init__(
        self,
        *,
        uploads: WarmUploads,
        unit_of_work: UnitOfWorkFactory,
        lock: UploadLock,
        ledger: ReceivedLedger,
        storage: ChunkStorage,
        notifier: ProgressNotifier,
        clock: Clock,
        policy: UploadPolicy,
        allowances: Allowances,
        room: Room,
    ) -> None:
        self._uploads = uploads
        self._unit_of_work = unit_of_work
        self._lock = lock
        self._ledger = ledger
        self._storage = storage
        self._notifier = notifier
        self._clock = clock
        self._policy = policy
        self._allowances = allowances
        self._room = room

    async def place(
        self, principal: Principal, upload_id: UploadId, *, index: int, chunk_size: int, source: ByteSource
    ) -> UploadView | None:
        wanted = await self._wanted(principal, upload_id, index, chunk_size)
        leaving = Leaving(source, grace_seconds=_GRACE_SECONDS)
        try:
            async with self._holding(upload_id, wanted, leaving.begin) as lease:
                upload = await self._current(principal, lease)
                upload.check_here(self._clock.now())
                upload.chunk_range(index, chunk_size, self._policy)  # it may have changed while we waited
                await self._receive(upload, lease, wanted, source)
        finally:
            leaving.end()
        leaving.check(lease)
        return None if source.is_cut else UploadView.of(upload)

    @asynccontextmanager
    async def _holding(
        self, upload_id: UploadId, wanted: ByteRange, on_wanted: Callable[[], None]
    ) -> AsyncGenerator[Lease, None]:
        """The lease of these bytes. Of several requests for them the newest gets it; the others come again, for most
        are the same chunk, and none has read any of its body yet."""
        loop = asyncio.get_running_loop()
        deadline, attempt = loop.time() + _PATIENCE_SECONDS, 1
        async with AsyncExitStack() as stack:
            while True:
                hold = self._lock.hold(upload_id, on_wanted=on_wanted, range_=wanted)
                try:
                    lease = await stack.enter_async_context(hold)
                    break
                except UploadBusy:
                    if loop.time() >= deadline:
                        raise
                await asyncio.sleep(_PAUSE_SECONDS * attempt)
                attempt += 1
            yield lease

    async def _receive(self, upload: Upload, lease: Lease, wanted: ByteRange, source: ByteSource) -> None:
        received = await self._received_within(upload.id, wanted)
        if received:
            await self._compare(upload, _one_chunk(received, wanted), wanted, source)
            return
        extent = await self._write(upload, lease, wanted, source)
        if source.is_cut:
            return
        upload.check_chunk(wanted, extent.range.size if extent else 0)
        if extent:
            await self._allowances.reserve(upload, extent.range.size)
            await self._settle_chunk_size(upload, wanted.size)
            await self._record(upload, lease, extent)

    async def _compare(self, upload: Upload, known: Extent, wanted: ByteRange, source: ByteSource) -> None:
        """The chunk has been received before: sent again it is the same, to the byte."""
        same = await self._storage.holds(upload.id, extent=known, source=source)
        if source.is_cut:
            return
        if not same:
            raise ChunkDiffers("this chunk has been received with other bytes")
        if await source.read(1):
            raise (
                _too_long() if known.range == wanted else ChunkDiffers("this chunk has been received with fewer bytes")
            )

    async def _write(self, upload: Upload, lease: Lease, wanted: ByteRange, source: ByteSource) -> Extent | None:
        most = min(wanted.size, upload.limit(self._policy) - wanted.start)
        await self._room.check(most)
        placed: Extent | None = None
        writing = self._storage.write(
            upload.id,
            at=wanted.start,
            source=source,
            limit=most,
            hasher=None,
            permit=lease.check,
            expects=upload.received.end,
        )
        async with aclosing(writing) as stretches:
            async for extent in stretches:
                placed = placed.followed_by(extent) if placed else extent
        if not source.is_cut and await source.read(1):
            raise upload.excess(self._policy) if most < wanted.size else _too_long()
        return placed

    async def _record(self, upload: Upload, lease: Lease, extent: Extent) -> None:
        now = self._clock.now()
        receipt = upload.receipt(extent, now, self._policy, in_order=False)
        await self._ledger.record(receipt, lease)
        upload.count(receipt, now)
        current = self._uploads.under(lease)
        if current is not None and current is not upload:  # read anew meanwhile
            current.count(receipt, now)
            upload = current
        self._notifier.publish(upload.event(EventType.PROGRESS, now))

    async def _settle_chunk_size(self, upload: Upload, chunk_size: int) -> None:
        """The first chunk's size is that of all; of two first ones, in whatever processes, one is."""
        if upload.chunk_size is None:
            async with self._unit_of_work() as work:
                settled = await work.uploads.settle_chunk_size(upload.id, chunk_size)
                await work.commit()
            if settled is None:
                raise UploadNotFound("no such upload")
            upload.settle_chunk_size(settled)
        upload.settle_chunk_size(chunk_size)

    async def _received_within(self, upload_id: UploadId, wanted: ByteRange) -> Sequence[Extent]:
        async with self._unit_of_work() as work:
            return await work.uploads.received_within(upload_id, wanted)

    async def _wanted(self, principal: Principal, upload_id: UploadId, index: int, chunk_size: int) -> ByteRange:
        """Where the chunk lies; whether the principal may ask for it at all, and how, before anybody waits.

        Nothing is refused for an upload as we only remember it: it may be over, and then that is what has to be said.
        """
        if (known := self._uploads.known(upload_id)) is not None:
            known.check_seen_by(principal)
            with suppress(LongshoreError):
                return known.chunk_range(index, chunk_size, self._policy)
        upload = await self._uploads.read(principal, upload_id)
        upload.check_here(self._clock.now())
        return upload.chunk_range(index, chunk_size, self._policy)

    async def _current(self, principal: Principal, lease: Lease) -> Upload:
        upload, folds = await self._uploads.shared(principal, lease)
        for receipt in folds:
            await self._ledger.record(receipt, lease)
        return upload


def _one_chunk(received: Sequence[Extent], wanted: ByteRange) -> Extent:
    """What has been received there, as one stretch from its first byte on; anything else is no chunk of this upload."""
    if len(received) == 1 and received[0].range.start == wanted.start and received[0].range.end <= wanted.end:
        return received[0]
    [fold, *others] = ReceivedRanges(list(received))
    if others or fold.range.start > wanted.start:
        raise ChunkDiffers("some of these bytes have been received, not as this chunk")
    return Extent(ByteRange(wanted.start, min(fold.range.end, wanted.end)), None)


def _too_long() -> ChunkTooLong:
    return ChunkTooLong("the chunk is longer than chunk_size")
