"""Events of all processes, by NATS. Contract: tests/contract/test_feed.py."""

import logging
from collections.abc import Callable

from domain.events import Event
from ports.feed import Feed

log = logging.getLogger(__name__)


class NatsFeed(Feed):
    """Its notifier, which has the connection, hands in what comes by it and this process's own events."""

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[Callable[[Event], None], Callable[[], None]]] = {}

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self._listeners[key] = (on_event, on_gap)

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def deliver(self, event: Event) -> None:
        for on_event, _ in list(self._listeners.values()):
            try:
                on_event(event)
            except Exception:
                # The one who publishes must not pay for a listener's mistake.
                log.exception("a listener failed")

    def report_gap(self) -> None:
        for _, on_gap in list(self._listeners.values()):
            try:
                on_gap()
            except Exception:
                log.exception("a listener failed")
