"""What the suites of ports/progress_notifier.py and ports/feed.py are given: both ends of one bus."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from domain.events import Event, UploadEvent
from ports.feed import Feed
from ports.progress_notifier import ProgressNotifier
from tests.support.until import wait_until


@dataclass
class Ear:
    """Remembers what a feed told it."""

    events: list[UploadEvent] = field(default_factory=list)
    gaps: int = 0

    def hear(self, event: Event) -> None:
        assert isinstance(event, UploadEvent)
        self.events.append(event)

    def on_gap(self) -> None:
        self.gaps += 1

    def listen_to(self, feed: Feed) -> Callable[[], None]:
        return feed.listen(self.hear, self.on_gap)

    async def hears(self, count: int, within: float = 5.0) -> list[UploadEvent]:
        """All it has heard, once that is ``count`` events."""
        await wait_until(lambda: len(self.events) >= count, within)
        return self.events


@dataclass
class Bus:
    """The ends of one process."""

    notifier: ProgressNotifier
    feed: Feed


BusFactory = Callable[[], AbstractAsyncContextManager[Bus]]
"""Each call opens the same bus anew, as one more process would."""


class BusSuite:
    """Wants a fixture ``factory``, a ``BusFactory``."""

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def bus(self, factory: BusFactory) -> AsyncIterator[Bus]:
        async with factory() as bus:
            yield bus

    @pytest.fixture
    def ear(self, bus: Bus) -> Ear:
        ear = Ear()
        ear.listen_to(bus.feed)
        return ear
