"""Events of all processes, by NATS. Contract: tests/contract/test_feed.py."""

from collections.abc import Callable

from domain.events import Event
from ports.feed import Feed, Listeners


class NatsFeed(Feed):
    """Its notifier, which has the connection, hands in what comes by it and this process's own events."""

    def __init__(self) -> None:
        self._listeners = Listeners()

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(on_event, on_gap)

    def deliver(self, event: Event) -> None:
        self._listeners.tell(event)

    def report_gap(self) -> None:
        self._listeners.tell_of_gap()
