"""The archives that can be downloaded, in memory. Contract: tests/contract/test_archives.py."""

from datetime import datetime

from domain.archive import Archive
from ports.archives import Archives


class MemoryArchives(Archives):
    def __init__(self) -> None:
        self._archives: dict[str, Archive] = {}

    async def add(self, archive: Archive, *, now: datetime) -> None:
        self._archives = {digest: one for digest, one in self._archives.items() if one.expires_at > now}
        self._archives[archive.digest] = archive

    async def find(self, digest: str) -> Archive | None:
        return self._archives.get(digest)
