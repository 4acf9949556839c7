"""Events within one process. Contract: tests/contract/test_feed.py."""

from collections.abc import Callable

from domain.events import Event
from ports.feed import Feed, Listeners


class MemoryFeed(Feed):
    """Fed by ``MemoryProgressNotifier``. Nothing can get lost, so no gap is ever reported."""

    def __init__(self) -> None:
        self._listeners = Listeners()

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(on_event, on_gap)

    def deliver(self, event: Event) -> None:
        self._listeners.tell(event)
