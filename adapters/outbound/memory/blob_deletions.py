"""Blobs to be deleted, in memory. Contract: tests/contract/test_blob_deletions.py."""

from collections.abc import Sequence
from datetime import datetime

from adapters.outbound.memory.uploads import Changes
from domain.errors import StorageUnavailable
from domain.ids import BlobKey
from ports.blob_deletions import BlobDeletions


class MemoryBlobDeletions(BlobDeletions):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, key: BlobKey, now: datetime) -> None:
        if self._changes.blob_deletion(key) is None:
            self._changes.blob_deletions[key] = now

    async def withdraw(self, key: BlobKey) -> None:
        if self._changes.blob_deletion(key) is None:
            raise StorageUnavailable("the bytes were taken for nobody's, and deleted")
        self._changes.blob_deletions[key] = None

    async def list_left(self, *, before: datetime, after: BlobKey | None, limit: int) -> Sequence[BlobKey]:
        kept = {file.blob_key for file in self._changes.all_files()}
        kept |= {rendition.blob_key for image in self._changes.all_images() for rendition in image.renditions}
        keys = self._changes.database.blob_deletions.keys() | self._changes.blob_deletions.keys()
        left = [
            key
            for key in keys
            if (noted_at := self._changes.blob_deletion(key)) is not None and noted_at < before and key not in kept
        ]
        return sorted(key for key in left if after is None or key > after)[:limit]

    async def remove(self, key: BlobKey) -> bool:
        is_noted = self._changes.blob_deletion(key) is not None
        self._changes.blob_deletions[key] = None
        return is_noted
