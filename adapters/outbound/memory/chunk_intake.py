"""Small chunks into memory. Contract: tests/contract/test_chunk_intake.py."""

from adapters.outbound.memory.storage import MemoryChunkStorage
from domain.byte_range import ByteRange, Extent
from domain.checksum import crc64nvme
from domain.receipt import Receipt
from ports.chunk_intake import ChunkIntake
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease

_SMALL_BYTES = 32 * 1024  # less than what the storage takes at a time


class MemoryChunkIntake(ChunkIntake):
    def __init__(self, storage: MemoryChunkStorage, ledger: ReceivedLedger) -> None:
        self._storage = storage
        self._ledger = ledger

    def accepts(self, length: int) -> bool:
        return length <= _SMALL_BYTES

    def extent(self, at: int, data: bytes) -> Extent:
        return Extent(ByteRange(at, at + len(data)), crc64nvme(data))

    async def take(self, receipt: Receipt, lease: Lease, *, at: int, data: bytes) -> None:
        self._storage.store(receipt.upload_id, at=at, data=data, permit=lease.check, least=at)
        await self._ledger.record(receipt, lease)
