"""The received ledger in memory. Contract: tests/contract/test_received_ledger.py."""

from adapters.outbound.memory.database import MemoryDatabase
from domain.byte_range import ByteRange, Extent
from domain.errors import UploadTakenOver
from domain.receipt import Receipt
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease


class MemoryReceivedLedger(ReceivedLedger):
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def record(self, receipt: Receipt, lease: Lease) -> None:
        upload = self._database.uploads.get(receipt.upload_id)
        known = self._database.leases.get(receipt.upload_id)
        if upload is None or known is None or not known.stands(lease.token):
            raise UploadTakenOver("a newer request for this upload has taken over")
        extents = self._database.received.setdefault(receipt.upload_id, [])
        extents[:] = [extent for extent in extents if not _is_replaced(extent, receipt)]
        extents.append(receipt.extent)
        upload.count(receipt, upload.updated_at)


def _is_replaced(known: Extent, receipt: Receipt) -> bool:
    if known.range == receipt.extent.range:
        return True
    return receipt.folds and _lies_within(known.range, receipt.extent.range)


def _lies_within(inner: ByteRange, outer: ByteRange) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
