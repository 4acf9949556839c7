"""Notes of blobs that are to be deleted: no file has them any more. Contract: tests/contract/test_blob_deletions.py."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import BlobKey


class BlobDeletions(Protocol):
    """A note is made in the unit of work that takes the blob's last record away, and goes once the bytes are gone: so
    there is no moment in which nothing names them. Nothing comes to refer to a blob that is noted here."""

    @abstractmethod
    async def add(self, key: BlobKey, now: datetime) -> None:
        """Note that the blob is to be deleted once this is committed. Noted again, the first time stands."""

    @abstractmethod
    async def withdraw(self, key: BlobKey) -> None:
        """Take the note back: from this commit on something refers to the blob, which had been noted before its bytes
        were written.

        Raises:
            StorageUnavailable: there is none any more, so the bytes have been deleted: at once or at the commit.
        """

    @abstractmethod
    async def list_left(self, *, before: datetime, after: BlobKey | None, limit: int) -> Sequence[BlobKey]:
        """What was noted ``before`` and is still to be deleted, by key; those that come ``after`` a key.

        Never a blob that a file or a rendition refers to, whatever was noted.
        """

    @abstractmethod
    async def remove(self, key: BlobKey) -> bool:
        """The bytes are gone, so the note goes; return whether there was one."""
