"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta

from ports.clock import Clock
from tests.support.builders import NOW


class StandingClock(Clock):
    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_by(self, time: timedelta) -> None:
        """Time goes by, as it does: both clocks tell."""
        self._now += time
        self._monotonic += time.total_seconds()

    def be_set(self, time: timedelta) -> None:
        """Somebody sets the wall clock, forward or back."""
        self._now += time
