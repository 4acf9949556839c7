"""Small chunks, stored and recorded by the process beside ours. Contract: tests/contract/test_chunk_intake.py."""

from typing import Protocol

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.chunk_storage import SMALL_BYTES, VolumeChunkStorage
from adapters.outbound.volume.writing.orders import Note
from adapters.outbound.volume.writing.writer import ChunkWriter
from domain.byte_range import ByteRange, Extent
from domain.receipt import Receipt
from ports.chunk_intake import ChunkIntake
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease


class SharedTurn(Protocol):
    """The ledger's one writer at a time: as long as somebody has joined, it is the process."""

    async def join(self) -> None:
        """Raises:
        RepositoryUnavailable: the turn did not come.
        """

    def leave(self) -> None: ...


class VolumeChunkIntake(ChunkIntake):
    """``writer``: the storage's. What its process does not record, with the bytes, is recorded after them."""

    def __init__(
        self, storage: VolumeChunkStorage, ledger: ReceivedLedger, *, writer: ChunkWriter, turn: SharedTurn
    ) -> None:
        self._storage = storage
        self._ledger = ledger
        self._writer = writer
        self._turn = turn

    def accepts(self, length: int) -> bool:
        return length <= SMALL_BYTES

    def extent(self, at: int, data: bytes) -> Extent:
        return Extent(ByteRange(at, at + len(data)), crc64nvme(data))

    async def take(self, receipt: Receipt, lease: Lease, *, at: int, data: bytes) -> None:
        if not await self._take_together(receipt, lease, at, data):
            _ = await self._storage.store(receipt.upload_id, at=at, data=data, permit=lease.check)
            await self._ledger.record(receipt, lease)

    async def _take_together(self, receipt: Receipt, lease: Lease, at: int, data: bytes) -> bool:
        crc64 = receipt.extent.crc64
        if not self._writer.is_recording or not receipt.is_plain or crc64 is None:
            return False
        async with self._writer.seat:
            await self._turn.join()
            try:
                lease.check()
                return await self._writer.write(receipt.upload_id, at, data, Note(lease.token, crc64))
            finally:
                self._turn.leave()
