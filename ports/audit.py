"""What the records say, to compare with what is there; nothing is changed. Contract: tests/contract/test_audit.py."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from domain.finding import Finding, Recorded
from domain.ids import FileId
from domain.job import Job


class Audit(Protocol):
    """Every question raises RepositoryUnavailable while the database is away."""

    is_sound: bool
    """Whether ``findings`` are over and none of them says that the questions below can't be asked."""

    @abstractmethod
    def findings(self) -> AsyncIterator[Finding]:
        """Whether the database is there, and has the tables that this version needs."""

    @abstractmethod
    async def storage_id(self) -> str | None:
        """In the marker of the storage that belongs to these records; None if they have met none yet."""

    @abstractmethod
    async def open_uploads(self, ids: Sequence[str]) -> set[str]:
        """Which of these are uploads under way; at most 500 at once."""

    @abstractmethod
    async def known_blobs(self, keys: Sequence[str]) -> set[str]:
        """Which of these a file or a rendition has, an upload under way may become, or are to be deleted; at most 500
        at once."""

    @abstractmethod
    async def count_undeleted(self, before: datetime) -> int:
        """How many blobs were to be deleted before that and are not known to be gone."""

    @abstractmethod
    def files(self) -> AsyncIterator[Recorded]:
        """All of them, by id. One that is added or deleted meanwhile may be missing."""

    @abstractmethod
    async def has_file(self, file_id: FileId) -> bool: ...

    @abstractmethod
    async def dead_jobs(self, *, limit: int) -> Sequence[Job]:
        """Those that failed for good, the oldest first."""

    @abstractmethod
    async def neglected_jobs(self, since: datetime) -> int:
        """How many have been due since before that; 0 if somebody has been at any job after it."""
