"""What holds the bytes, for looking at; nothing is changed. Contract: tests/contract/test_medium.py."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

from domain.finding import Finding, Recorded


class Medium(Protocol):
    """What fails while it is asked is told as wrong, or raises StorageUnavailable."""

    id: str | None
    """In its marker, once ``findings`` are over and none of them says that it can't be used; till then None."""

    @abstractmethod
    def findings(self) -> AsyncIterator[Finding]:
        """Whether it is there, ours and has room."""

    @abstractmethod
    def staged(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        """The ids of uploads that hold bytes and have not changed since, each with how many; some at a time."""

    @abstractmethod
    def blobs(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        """As ``staged``: the keys of blobs."""

    @abstractmethod
    async def wrong_with(self, recorded: Recorded, *, scrub: bool) -> str:
        """What is wrong with a file's bytes; empty if nothing is. ``scrub``: every byte is read."""
