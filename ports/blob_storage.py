"""Where sealed bytes are kept and read from. Contract: tests/contract/suites/blob_storage.py."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Protocol

from domain.byte_range import ByteRange
from domain.ids import BlobKey


class Blob(Protocol):
    """An open blob; close it when done."""

    @property
    @abstractmethod
    def size(self) -> int: ...

    @property
    @abstractmethod
    def fd(self) -> int | None:
        """A file descriptor to send from, positioned nowhere in particular; None where there is no local file."""

    @abstractmethod
    def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        """The bytes of ``wanted`` in blocks of at most 256 KiB.

        Raises:
            FileGone: the blob ends before ``wanted`` does.
        """

    @abstractmethod
    async def link(self, *, disposition: str, media_type: str) -> str | None:
        """A URL where whoever has it may fetch the blob without us for an hour, with the Content-Disposition and
        Content-Type given; None where there is no such way."""

    @abstractmethod
    async def close(self) -> None: ...


class BlobStorage(Protocol):
    @abstractmethod
    async def open(self, key: BlobKey) -> Blob:
        """Raises:
        FileGone: no such blob.
        StorageUnavailable: the medium failed.
        """

    @abstractmethod
    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        """Keep ``content``, which is small, under ``key``; return its CRC-64/NVME once it is durable.

        Whoever opens the key sees all of it or none; what was there before is gone. A crash may leave bytes that nobody
        knows of: who calls has noted the key as to be deleted, and takes that back when the blob is recorded.

        Raises:
            FileGone: the content can't be read to its end.
            StorageFull, StorageUnavailable: it is not there, or not for long.
        """

    @abstractmethod
    async def delete(self, key: BlobKey) -> bool:
        """Forget the blob, if there is one; return whether its bytes are gone, for good even if the power fails.

        Who reads it reads on. Storage that takes the bytes from under a reader keeps them until this process's last
        one is done, and says False till then.

        Raises:
            StorageUnavailable, StorageFull: it may be there still.
        """

    @abstractmethod
    async def check(self) -> None:
        """Return if bytes can be stored now.

        Raises:
            StorageUnavailable, StorageFull.
        """
