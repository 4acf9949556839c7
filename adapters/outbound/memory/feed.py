"""Events within one process. Contract: tests/contract/test_feed.py."""

import logging
from collections.abc import Callable

from domain.events import Event
from ports.feed import Feed

log = logging.getLogger(__name__)


class MemoryFeed(Feed):
    """Fed by ``MemoryProgressNotifier``. Nothing can get lost, so no gap is ever reported."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[Event], None]] = {}

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self._listeners[key] = on_event

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def deliver(self, event: Event) -> None:
        for on_event in list(self._listeners.values()):
            try:
                on_event(event)
            except Exception:
                # The one who publishes must not pay for a listener's mistake.
                log.exception("a listener failed")
