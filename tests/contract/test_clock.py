"""Contract of ports/clock.py."""

import pytest

from adapters.outbound.system.clock import SystemClock
from ports.clock import Clock
from tests.contract.suites.clock import ClockSuite


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


class TestClock(ClockSuite):
    """All of it."""
