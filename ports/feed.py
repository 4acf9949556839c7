"""Where events from all processes arrive. Contract: tests/contract/test_feed.py."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from domain.events import Event


class Feed(Protocol):
    @abstractmethod
    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_event`` from the event loop for each event, in the order of each upload; return what ends it.

        ``on_gap`` is called when events may have been missed (a connection was lost and is back): whoever
        shows a state should read it anew.
        """
