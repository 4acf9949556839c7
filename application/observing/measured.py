"""Ports whose calls are measured: how many bytes became a promise, and how long each waited for that."""

from collections.abc import Callable, Sequence

from domain.byte_range import Extent
from domain.events import Event
from domain.file import File
from domain.receipt import Receipt
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.chunk_intake import ChunkIntake
from ports.file_intake import FileIntake
from ports.metrics import Metrics
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease


class MeasuredLedger(ReceivedLedger):
    def __init__(self, ledger: ReceivedLedger, metrics: Metrics, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._now = now

    async def record(self, receipt: Receipt, lease: Lease) -> None:
        began = self._now()
        await self._ledger.record(receipt, lease)
        self._metrics.received(receipt.new_bytes, self._now() - began)


class MeasuredChunkIntake(ChunkIntake):
    def __init__(self, intake: ChunkIntake, metrics: Metrics, now: Callable[[], float]) -> None:
        self._intake = intake
        self._metrics = metrics
        self._now = now

    def accepts(self, length: int) -> bool:
        return self._intake.accepts(length)

    def extent(self, at: int, data: bytes) -> Extent:
        return self._intake.extent(at, data)

    async def take(self, receipt: Receipt, lease: Lease, *, at: int, data: bytes) -> None:
        began = self._now()
        await self._intake.take(receipt, lease, at=at, data=data)
        self._metrics.received(len(data), self._now() - began)


class MeasuredFileIntake(FileIntake):
    def __init__(self, intake: FileIntake, metrics: Metrics, now: Callable[[], float]) -> None:
        self._intake = intake
        self._metrics = metrics
        self._now = now
        self.max_bytes = intake.max_bytes

    def extent(self, data: bytes) -> Extent:
        return self._intake.extent(data)

    async def take(
        self,
        upload: Upload,
        file: File,
        events: Sequence[Event],
        data: bytes,
        *,
        policy: UploadPolicy,
    ) -> None:
        began = self._now()
        await self._intake.take(upload, file, events, data, policy=policy)
        self._metrics.received(len(data), self._now() - began)
