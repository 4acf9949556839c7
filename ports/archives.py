"""The archives that can be downloaded, for all processes of a server. Contract: tests/contract/test_archives.py."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol

from domain.archive import Archive


class Archives(Protocol):
    """Both raise RepositoryUnavailable while the database is away."""

    @abstractmethod
    async def add(self, archive: Archive, *, now: datetime) -> None:
        """Those that are over go by the way."""

    @abstractmethod
    async def find(self, digest: str) -> Archive | None:
        """It may be over."""
