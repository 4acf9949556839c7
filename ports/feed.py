"""Where events from all processes arrive. Contract: tests/contract/test_feed.py."""

import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from domain.events import Event

log = logging.getLogger(__name__)


class Feed(Protocol):
    @abstractmethod
    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_event`` from the event loop for each event, in the order of each upload; return what ends it.

        ``on_gap`` is called when events may have been missed (a connection was lost and is back): whoever
        shows a state should read it anew.
        """


class Listeners:
    """Those who listen to a feed, as each of its adapters keeps them."""

    def __init__(self) -> None:
        self._all: dict[object, tuple[Callable[[Event], None], Callable[[], None]]] = {}

    def add(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        """As ``Feed.listen``."""
        key = object()
        self._all[key] = (on_event, on_gap)

        def end() -> None:
            self._all.pop(key, None)

        return end

    def tell(self, event: Event) -> None:
        for on_event, _ in list(self._all.values()):
            _call(on_event, event)

    def tell_of_gap(self) -> None:
        for _, on_gap in list(self._all.values()):
            _call(on_gap)


def _call(listener: Callable[..., None], *told: Event) -> None:
    try:
        listener(*told)
    except Exception:
        # The one who publishes must not pay for a listener's mistake.
        log.exception("a listener failed")
