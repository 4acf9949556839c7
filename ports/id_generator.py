"""Where new ids come from, and what is shown to be let in."""

from abc import abstractmethod
from typing import Protocol


class IdGenerator(Protocol):
    @abstractmethod
    def new(self) -> str:
        """An id, 32 hex digits that nobody can guess. Those of the same moment begin alike, so that what is kept by
        them is written to the same few places."""

    @abstractmethod
    def secret(self) -> str:
        """128 random bits as 32 hex digits: whoever shows them is let in."""
