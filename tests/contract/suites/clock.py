"""What every clock promises (ports/clock.py)."""

from datetime import UTC, datetime, timedelta

from ports.clock import Clock


class ClockSuite:
    """Wants a fixture ``clock``."""

    def test_now_is_aware_utc_and_near_the_systems_time(self, clock: Clock) -> None:
        now = clock.now()
        assert now.tzinfo is UTC
        assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)

    def test_the_monotonic_clock_never_goes_back(self, clock: Clock) -> None:
        readings = [clock.monotonic() for _ in range(1000)]
        assert readings == sorted(readings)
