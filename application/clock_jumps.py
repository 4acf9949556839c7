"""Tells whether the clock was set meanwhile: whoever deletes what is old asks here first."""

from datetime import datetime, timedelta

from ports.clock import Clock

_TOLERANCE = timedelta(minutes=1)


class ClockJumps:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = (clock.now(), clock.monotonic())

    def jumped(self, now: datetime) -> bool:
        """Whether more or less time has passed by the clock than has in truth, since this was asked last."""
        wall, monotonic = self._last
        self._last = (now, self._clock.monotonic())
        passed = timedelta(seconds=self._last[1] - monotonic)
        return abs((now - wall) - passed) > _TOLERANCE
