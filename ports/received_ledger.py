"""Writes down which bytes have been received; the promise to the client rests on it.
Contract: tests/contract/test_received_ledger.py."""

from abc import abstractmethod
from typing import Protocol

from domain.receipt import Receipt
from ports.upload_lock import Lease


class ReceivedLedger(Protocol):
    @abstractmethod
    async def record(self, receipt: Receipt, lease: Lease) -> None:
        """Return once the receipt is committed. Receipts that wait at the same time share one transaction.

        Raises:
            UploadTakenOver: the lease is no longer the holder's; nothing was written.
            RepositoryUnavailable: the database is away; the receipt may or may not be written.
        """
