"""Where new ids come from."""

from abc import abstractmethod
from typing import Protocol


class IdGenerator(Protocol):
    @abstractmethod
    def new(self) -> str:
        """128 random bits as 32 hex digits."""
