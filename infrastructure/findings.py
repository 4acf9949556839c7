"""What the doctor says, and what it has to look at, whatever holds the bytes."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import RowMapping


@dataclass(frozen=True, slots=True)
class Finding:
    good: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok     ' if self.good else 'PROBLEM'}  {self.text}"


class Medium(Protocol):
    """What holds the bytes, for looking at."""

    id: str | None
    """In its marker, once ``findings`` has found nothing wrong."""

    @abstractmethod
    def findings(self) -> AsyncIterator[Finding]: ...

    @abstractmethod
    def staged(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        """Uploads that hold bytes and have not changed since, with how many; some at a time."""

    @abstractmethod
    def blobs(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        """As ``staged``: the keys of blobs."""

    @abstractmethod
    async def wrong_with(self, row: RowMapping, *, scrub: bool) -> str:
        """What is wrong with the file's bytes; empty if nothing is."""
