"""Takes small chunks: their bytes and their receipts together. Contract: tests/contract/test_chunk_intake.py."""

from abc import abstractmethod
from typing import Protocol

from domain.byte_range import Extent
from domain.receipt import Receipt
from ports.upload_lock import Lease


class ChunkIntake(Protocol):
    """In place of a chunk storage and a ledger, one after the other, where an adapter has a shorter way for both."""

    @abstractmethod
    def accepts(self, length: int) -> bool:
        """Whether a body of so many bytes is small enough; it will be held in memory."""

    @abstractmethod
    def extent(self, at: int, data: bytes) -> Extent:
        """Where ``data`` is to lie from byte ``at`` on, with its checksum."""

    @abstractmethod
    async def take(self, receipt: Receipt, lease: Lease, *, at: int, data: bytes) -> None:
        """Return once ``data`` is durable, from byte ``at`` on, and after that its receipt is committed.

        The bytes continue what has been received: there is no gap before them. ``lease`` is checked right before
        they are written. A cancelled call goes on only when nothing of it is being done any more.

        Raises:
            UploadTakenOver, RepositoryUnavailable: the lease is not the holder's, or nobody knows; nothing counts.
            FileGone: bytes before them are not there any more.
            StorageFull, StorageUnavailable, RepositoryUnavailable: the receipt may or may not be written; if it is,
                the bytes are durable.
        """
