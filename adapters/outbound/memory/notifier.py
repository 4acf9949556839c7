"""Publishing within one process. Contract: tests/contract/test_progress_notifier.py."""

from adapters.outbound.memory.feed import MemoryFeed
from domain.events import Event
from ports.progress_notifier import ProgressNotifier


class MemoryProgressNotifier(ProgressNotifier):
    def __init__(self, feed: MemoryFeed) -> None:
        self._feed = feed

    def publish(self, event: Event) -> None:
        self._feed.deliver(event)
