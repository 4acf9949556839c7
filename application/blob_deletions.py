"""Takes away the bytes that no file has any more: right after the commit that says so, or whenever that can be."""

from contextlib import suppress
from datetime import datetime

from domain.errors import StorageFull, StorageUnavailable, Unavailable
from domain.ids import BlobKey
from ports.blob_storage import BlobStorage
from ports.unit_of_work import UnitOfWorkFactory

_BATCH = 200
_FAILURES_IN_A_ROW = 10


class BlobDeleter:
    """For blobs that a committed unit of work has noted in its ``blob_deletions``, and for no others."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs

    async def delete_now(self, key: BlobKey) -> None:
        """Delete the blob; if that can't be just now, the note stays for ``delete_left``."""
        with suppress(Unavailable):
            await self._delete(key)

    async def delete_left(self, *, noted_before: datetime) -> int:
        """Delete what was noted before then; return how many blobs are gone. In several processes at once, too.

        One that can't be deleted does not keep the others. Many in a row: storage is away, the next call goes on.
        """
        deleted = failures = 0
        after = None
        while True:
            async with self._unit_of_work() as work:
                left = await work.blob_deletions.list_left(before=noted_before, after=after, limit=_BATCH)
            for key in left:
                try:
                    deleted += await self._delete(key)
                    failures = 0
                except (StorageFull, StorageUnavailable):
                    failures += 1
                if failures == _FAILURES_IN_A_ROW:
                    return deleted
            if len(left) < _BATCH:
                return deleted
            after = left[-1]

    async def _delete(self, key: BlobKey) -> bool:
        """Whether it is gone, and by this call."""
        if not await self._blobs.delete(key):
            return False
        async with self._unit_of_work() as work:
            is_noted = await work.blob_deletions.remove(key)
            await work.commit()
        return is_noted
