"""The notifier and the feed of one process, over each technology, for the suites of both ports."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
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
    notifier: ProgressNotifier
    feed: Feed

    async def close(self) -> None:
        for end in (self.notifier, self.feed):
            if isinstance(end, PostgresFeed | PostgresProgressNotifier):
                await end.close()


async def open_bus(url: str | None) -> Bus:
    """One process's; None: in memory."""
    if url is None:
        memory = MemoryFeed()
        return Bus(MemoryProgressNotifier(memory), memory)
    feed = PostgresFeed(url)
    notifier = PostgresProgressNotifier(url, feed)
    await feed.start()
    await notifier.start()
    return Bus(notifier, feed)
