"""Connections are taken in while there is room for them: each needs a descriptor, and so do the files it is about.

When descriptors run short, connections that wait for a request make room, and new ones wait at the door: the kernel
keeps them. Should nobody leave for a while, those at the door are heard all the same, a few at a time: who asks for
``/health`` is answered, others are sent away (503) instead of being left to wait.
"""

import asyncio
import os
import resource
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from adapters.inbound.http.engine.running import Connections

log = structlog.get_logger(__name__)

_AT_ONCE = 128  # then others get the loop
_AT_ONCE_OF_OTHERS = 4
_STEP_BACK_SECONDS = 0.005
_COUNT_SECONDS = 0.1
_HEARD_AT_ONCE = 16
# Half of the descriptors is for files: whoever is let in will mostly want one. Of many not more than this, for those
# that are in have theirs already.
_MOST_RESERVED = 512
_LAST_RESERVED = 8
_TELL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    idle_seconds: float = 0.5
    """How long a connection has had no request before it makes room for another one."""
    look_seconds: float = 0.1
    door_seconds: float = 3.0
    """How long those at the door wait for room before they are heard without."""


class Neighbours(ABC):
    """Other processes that take in by the same sockets."""

    @abstractmethod
    def least(self, own: int) -> int:
        """How many connections the one of them has that has the fewest; they learn that we have ``own``."""


class Door:
    """Has the listening sockets, and gives what comes in by them to ``serve``, with its address."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        serve: Callable[[socket.socket, object], None],
        connections: Connections,
        patience: Patience | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """``neighbours``: None, nobody else takes in by these sockets."""
        self._neighbours = neighbours
        self._least = 0
        self._own = 0
        self._counted_at = float("-inf")
        self._sockets = sockets
        self._serve = serve
        self._connections = connections
        self._patience = patience or Patience()
        self._loop = asyncio.get_running_loop()
        self._full_since: float | None = None
        self._told_at = -_TELL_SECONDS
        self._looking: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._open()

    def close(self) -> None:
        """Take nobody in any more; may be asked again."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._looking is not None:
            self._looking.cancel()
        else:
            self._shut()
        for listening in self._sockets:
            listening.close()

    def _open(self) -> None:
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._take_in, listening)

    def _shut(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())

    def _take_in(self, listening: socket.socket) -> None:
        if self._is_closed or self._looking is not None:
            return  # since it was told that somebody is there
        if self._neighbours is None:
            self._take(listening, _AT_ONCE)
        elif self._have_many(self._neighbours):
            self._shut()
            self._looking = self._loop.call_later(_STEP_BACK_SECONDS, self._come_back)
        else:
            self._take(listening, 1)

    def _have_many(self, neighbours: Neighbours) -> bool:
        """More than one of them, by an eighth if we have so many: a crowd is not to be let in one by one."""
        if self._loop.time() - self._counted_at >= _COUNT_SECONDS:
            self._own, self._counted_at = self._connections.readers.count(), self._loop.time()
        self._least = neighbours.least(self._own)
        return self._own - self._own // 8 > self._least

    def _come_back(self) -> None:
        """Whoever has fewer connections, and took none, is busy or gone."""
        self._looking = None
        self._open()
        least = self._least
        if self._neighbours is not None and self._have_many(self._neighbours) and self._least == least:
            for listening in self._sockets:
                self._take(listening, _AT_ONCE_OF_OTHERS)

    def _take(self, listening: socket.socket, at_once: int) -> None:
        for _ in range(at_once):
            if not self._has_room():
                self._pause()
                return
            try:
                if not self._accept(listening):
                    return
            except OSError:  # no descriptor is left, or no memory: it would be told again and again
                self._pause()
                return

    def _accept(self, listening: socket.socket, *, is_late: bool = False) -> bool:
        """Whether there was somebody."""
        try:
            connection, address = listening.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:
            return True
        self._own += 1
        self._connections.readers.watch(connection)
        if is_late:
            self._connections.late.add(connection)
        self._serve(connection, address)
        return True

    def _pause(self) -> None:
        self._shut()
        now = self._loop.time()
        if self._full_since is None:
            self._full_since = now
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            log.warning("descriptors run short: new connections wait", descriptors=_limit())
        self._looking = self._loop.call_later(self._patience.look_seconds, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._has_room():
            self._connections.late.clear()
            self._open()
            return
        if self._full_since is not None and self._loop.time() - self._full_since >= self._patience.door_seconds:
            self._hear()
        self._looking = self._loop.call_later(self._patience.look_seconds, self._look)

    def _hear(self) -> None:
        """Let some in for whom there is no room; those of the last time that said nothing go."""
        self._connections.kept.close_of(self._connections.late)
        with suppress(OSError):  # the last descriptor went elsewhere
            for listening in self._sockets:
                for _ in range(_HEARD_AT_ONCE):
                    is_possible = self._next_descriptor() < _limit() - _LAST_RESERVED
                    if not is_possible or not self._accept(listening, is_late=True):
                        break

    def _has_room(self) -> bool:
        while not are_plenty(self._next_descriptor()):
            if not self._connections.kept.close_idle(self._loop.time() - self._patience.idle_seconds):
                return False
        self._full_since = None
        return True

    def _next_descriptor(self) -> int:
        """The lowest that is free: all below it are in use."""
        try:
            probe = os.dup(self._sockets[0].fileno())
        except OSError:
            return sys.maxsize
        os.close(probe)
        return probe


def raise_limit() -> None:
    """Have as many descriptors as we may: what a shell gives at first is for programs that use ``select``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems give less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def are_plenty(lowest: int) -> bool:
    """Whether there are enough descriptors for what can do without one, if this is the lowest that is free."""
    limit = _limit()
    return lowest < limit - min(limit // 2, _MOST_RESERVED)


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize
