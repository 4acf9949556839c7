"""Hands messages to their watchers in slices: a crowd in front of one upload never holds up the rest."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from application.progress.messages import ProgressMessage, Subscriber

log = logging.getLogger(__name__)

_SLICE = 1500
"""Watchers told before others get the event loop: about 2 ms."""
_MAKING = 10
"""To make a message takes as long as to tell so many: whoever watches a thousand uploads alone is not flooded."""


class Listener:
    """One who is told. ``ended``: nothing any more, even of what was begun before."""

    __slots__ = ("ended", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.ended = False


Begin = Callable[[], tuple[ProgressMessage | None, Sequence[Listener]]]
"""Called when its turn comes: the message as it is by now, and whom it is for; None if it needn't be told any more."""


class FanOut:
    """First come, first told. A message is made when its turn comes, so what waits is the newest value."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Begin, Callable[[], None]]] = deque()
        self._message: ProgressMessage | None = None
        self._left: Sequence[Listener] = ()
        self._runs = False

    def add(self, begin: Begin, end: Callable[[], None]) -> None:
        """``end`` is called once everybody has been told."""
        self._queue.append((begin, end))
        if not self._runs:
            self._runs = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        room = _SLICE
        while self._queue and room > 0:
            try:
                room -= self._tell_slice(room)
            except Exception:
                # One message that can't be made must not end all that follow.
                log.exception("a message could not be made")
                self._queue.popleft()
        self._runs = bool(self._queue)
        if self._runs:
            asyncio.get_running_loop().call_soon(self._run)

    def _tell_slice(self, room: int) -> int:
        costs = 0
        if not self._left:
            self._message, self._left = self._queue[0][0]()
            costs = _MAKING
        part, self._left = self._left[:room], self._left[room:]
        if self._message is not None:
            _tell(part, self._message)
        if not self._left:
            self._queue.popleft()[1]()
        return costs + len(part)


def _tell(watches: Sequence[Listener], message: ProgressMessage) -> None:
    for watch in watches:
        if watch.ended:
            continue
        try:
            watch.subscriber.offer(message)
        except Exception:
            # One broken reader must not cost the others their news.
            log.exception("a watcher could not be told")
