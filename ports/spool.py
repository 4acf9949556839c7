"""Where bytes wait until it is known what becomes of them; they are promised to nobody.
Contract: tests/contract/test_spool.py."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ports.blob_storage import Blob


class Spooled(Blob, Protocol):
    """Bytes that grow at their end, and can be read like a blob's. A crash leaves nothing of them."""

    @abstractmethod
    async def append(self, data: bytes) -> None:
        """Raises:
        StorageFull, StorageUnavailable
        """


class Spool(Protocol):
    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Spooled]:
        """An empty one, gone when the block ends.

        Raises:
            StorageFull, StorageUnavailable
        """
