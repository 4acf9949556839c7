"""Connections between two requests, and the reading of heads: whatever comes begins here.

We look before we take (``MSG_PEEK``): what is taken is the head, so the body, and what is behind it, are still in the
socket when the exchange begins. A client that sends chunk after chunk repeats itself: such a head is not parsed again.
"""

import asyncio
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from tornado.httputil import HTTPServerRequest

from adapters.inbound.http.engine.framing import Unreadable
from adapters.inbound.http.engine.wire.connection import Connection
from adapters.inbound.http.engine.wire.head import MAX_HEAD_BYTES, end_of_head, parse_head, salvaged

_LOOK_BYTES = 4096
_MAX_DIGITS = 15
_OFFSET = re.compile(rb"\r\nUpload-Offset: ?([0-9]+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and for how much, a connection is waited on."""

    idle_seconds: float = 75.0
    """Nothing comes after a reply (KEEP_ALIVE)."""
    head_seconds: float = 20.0
    """From the first byte of a head to its last; of the first head, from the connection's beginning."""
    linger_seconds: float = 2.0
    """A refusal goes out at once, but closing on bytes still under way would reset the connection and could take the
    answer with it: so much longer, and so many bytes, are read and thrown away."""
    linger_bytes: int = 16 * 1024 * 1024


class Serving(ABC):
    """What becomes of a head."""

    @abstractmethod
    def begin(self, connection: Connection, request: HTTPServerRequest) -> None:
        """Answer ``request``, whose body comes next on the connection."""

    @abstractmethod
    def refuse(self, connection: Connection, request: HTTPServerRequest, error: Unreadable) -> None:
        """Answer what of a request could be read; then the connection is over."""


class KeptConnections:
    """All that nobody has a request of just now."""

    def __init__(self, serving: Serving, patience: Patience) -> None:
        self._serving = serving
        self._patience = patience
        self._idles_briefly = patience.idle_seconds < patience.head_seconds  # then idle ones may be the next to go
        self._idle: dict[Connection, None] = {}  # in both, who waits longest is first
        self._begun: dict[Connection, None] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False

    def accept(self, connection: Connection) -> None:
        """Serve the first request of a connection, which is not to let us wait for it as for another one."""
        if self._is_closed:
            connection.close()
            return
        self._expect_head(connection)
        self._listen(connection)

    def wait(self, connection: Connection) -> None:
        """Serve the connection's next request, when it comes."""
        if self._is_closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.since = loop.time()
        self._idle[connection] = None
        if connection.ahead:
            loop.call_soon(self._look_ahead, connection)
        else:
            self._listen(connection)

    def close_idle(self, since: float) -> bool:
        """Close one that has had no whole request since then; whether there was one."""
        for waiting in (self._idle, self._begun):
            longest = next(iter(waiting), None)
            if longest is not None and longest.since <= since:
                self._close(longest)
                return True
        return False

    def close_of(self, sockets: Collection[socket.socket]) -> None:
        """Close those of them that have no whole request now."""
        for connection in [*self._idle, *self._begun]:
            if connection.socket in sockets:
                self._close(connection)

    def close(self) -> None:
        """Close every connection that waits, or comes to wait."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in [*self._idle, *self._begun]:
            self._close(connection)

    def _listen(self, connection: Connection) -> None:
        connection.readiness.ask(partial(self._look, connection))
        if self._sweeping is None or (self._idles_briefly and len(self._idle) == 1):
            self._sweep()

    def _look_ahead(self, connection: Connection) -> None:
        if connection in self._idle:
            self._look(connection)

    def _look(self, connection: Connection) -> None:
        try:
            seen = connection.socket.recv(_LOOK_BYTES, socket.MSG_PEEK)
            is_over = not seen
        except BlockingIOError:
            seen, is_over = b"", False
        except OSError:
            seen, is_over = b"", True
        if not connection.ahead:
            head = seen[: seen.find(b"\r\n\r\n") + 4]
            if (request := _like_the_last(head, connection)) is not None:
                connection.socket.recv(len(head))
                self._begin(connection, request)
                return
        self._read(connection, seen, is_over=is_over)

    def _read(self, connection: Connection, seen: bytes, *, is_over: bool) -> None:
        known = connection.ahead + seen
        text = known.lstrip(b"\r\n")  # RFC 9112 §2.2: an empty line before a request is ignored
        try:
            size = end_of_head(text)
        except Unreadable as error:
            self._forget(connection)
            self._serving.refuse(connection, salvaged(text[:MAX_HEAD_BYTES], connection), error)
            return
        if size:
            _take(connection, len(known) - len(text) + size)
            self._parse(connection, text[:size])
        elif is_over:
            self._close(connection)
        else:
            _take(connection, len(known))
            connection.ahead = text
            self._go_on(connection)

    def _parse(self, connection: Connection, head: bytes) -> None:
        try:
            request = parse_head(head, connection)
        except Unreadable as error:
            self._forget(connection)
            self._serving.refuse(connection, salvaged(head, connection), error)
            return
        _remember(head, request, connection)
        self._begin(connection, request)

    def _begin(self, connection: Connection, request: HTTPServerRequest) -> None:
        self._forget(connection)
        self._serving.begin(connection, request)

    def _go_on(self, connection: Connection) -> None:
        """Wait for the rest of a head, but not as long as for its beginning."""
        if connection.ahead and connection in self._idle:
            del self._idle[connection]
            self._expect_head(connection)
        self._listen(connection)

    def _expect_head(self, connection: Connection) -> None:
        connection.since = asyncio.get_running_loop().time()
        self._begun[connection] = None
        if len(self._begun) == 1:
            self._sweep()  # its time is up before that of those which are idle

    def _forget(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        self._begun.pop(connection, None)
        connection.readiness.rest()

    def _close(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        patience = ((self._idle, self._patience.idle_seconds), (self._begun, self._patience.head_seconds))
        for waiting, seconds in patience:
            until = loop.time() - seconds
            for connection in list(takewhile(lambda one: one.since <= until, waiting)):  # noqa: B023 -- listed at once
                self._close(connection)
        ends = [next(iter(waiting)).since + seconds for waiting, seconds in patience if waiting]
        if ends:
            self._sweeping = loop.call_at(min(ends), self._sweep)


def _take(connection: Connection, size: int) -> None:
    """Take so much of what was seen: first what was ahead, then from the socket, where it is still."""
    size -= len(connection.take_ahead(size))
    if size:
        connection.socket.recv(size)


def _like_the_last(head: bytes, connection: Connection) -> HTTPServerRequest | None:
    last = connection.request
    if last is None or not (head.startswith(connection.before) and head.endswith(connection.after)):
        return None
    digits = head[len(connection.before) : -len(connection.after)]
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return None
    last.headers["Upload-Offset"] = digits.decode()
    return last


def _remember(head: bytes, request: HTTPServerRequest, connection: Connection) -> None:
    """Keep a chunk's head for ``_like_the_last``, if it is one that can't be read in two ways."""
    connection.request = None
    if request.method != "PATCH" or head.count(b"\n") != head.count(b"\r\n"):
        return
    if (found := _OFFSET.search(head)) and request.headers["Upload-Offset"] == found[1].decode():  # the only one
        connection.request = request
        connection.before, connection.after = head[: found.start(1)], head[found.end(1) :]
