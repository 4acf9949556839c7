"""Time, as the core sees it."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """The wall clock, aware, UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds that only grow, from no particular zero."""
