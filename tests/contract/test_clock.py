"""Contract of ports/clock.py."""

from datetime import UTC, datetime, timedelta

from adapters.outbound.system.clock import SystemClock


def test_now_is_aware_utc_and_near_the_systems_time() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)
