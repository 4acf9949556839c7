"""Connections that send chunk after chunk: between two of them nobody but us looks at the socket.

What is begun on such a kept connection is the narrow case alone: a PATCH whose whole head has arrived, with a
Content-Length and nothing that needs a second thought. We look before we take (``MSG_PEEK``), so whatever else comes is
still in the socket when the connection goes back to Tornado, which knows all of HTTP. What is taken is parsed by
Tornado's own functions.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, parse_request_start_line
from tornado.iostream import IOStream

from adapters.inbound.http.engine.readiness import Readiness

_HEAD_BYTES = 4096
_IDLE_SECONDS = 5.0
_MAX_DIGITS = 15
_OFFSET = re.compile(rb"\r\nUpload-Offset: ?([0-9]+)\r\n", re.IGNORECASE)
_LENGTH = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_SECOND_THOUGHTS = ("Transfer-Encoding", "Expect", "Upgrade", "Content-Encoding")


@dataclass(slots=True, eq=False)
class KeptConnection:
    """``context``: who is at the other end, as Tornado keeps it for all requests of a connection."""

    socket: socket.socket
    readiness: Readiness
    context: object
    since: float = 0.0
    request: HTTPServerRequest | None = None
    """The last one that was parsed here."""
    before: bytes = b""
    after: bytes = b""
    """That request's head without the digits of its Upload-Offset: the next one mostly differs in nothing else."""

    def close(self) -> None:
        self.readiness.close()
        self.socket.close()


class KeptConnections:
    """``follow`` takes the head, of so many bytes, from the connection's socket and begins with its request; or it says
    no, then ``give_back`` serves the connection, of which nothing has been read."""

    def __init__(
        self,
        follow: Callable[[KeptConnection, HTTPServerRequest, int], bool],
        give_back: Callable[[IOStream, object], None],
    ) -> None:
        self._follow = follow
        self._give_back = give_back
        self._waiting: dict[KeptConnection, None] = {}  # the longest so first
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False

    def wait(self, kept: KeptConnection) -> None:
        """Follow the connection's next request, when it comes."""
        if self._is_closed:
            kept.close()
            return
        loop = asyncio.get_running_loop()
        kept.since = loop.time()
        self._waiting[kept] = None
        kept.readiness.ask(partial(self._look, kept))
        if self._sweeping is None:
            self._sweeping = loop.call_later(_IDLE_SECONDS, self._sweep)

    def close(self) -> None:
        """Close every connection that waits, or comes to wait."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for kept in list(self._waiting):
            self._forget(kept)
            kept.close()

    def _look(self, kept: KeptConnection) -> None:
        self._forget(kept)
        try:
            seen = kept.socket.recv(_HEAD_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            self.wait(kept)
            return
        except OSError:
            seen = b""
        if not seen:
            kept.close()
            return
        head = seen[: seen.find(b"\r\n\r\n") + 4]
        request = _like_the_last(head, kept) or _plain_chunk(head, kept)
        if request is None or not self._follow(kept, request, len(head)):
            self._return(kept)

    def _return(self, kept: KeptConnection) -> None:
        kept.readiness.close()
        self._give_back(IOStream(kept.socket), getattr(kept.context, "address", None))

    def _forget(self, kept: KeptConnection) -> None:
        del self._waiting[kept]
        kept.readiness.rest()

    def _sweep(self) -> None:
        """Silent connections are Tornado's to time out."""
        loop = asyncio.get_running_loop()
        self._sweeping = None
        until = loop.time() - _IDLE_SECONDS
        for kept in [kept for kept in self._waiting if kept.since <= until]:
            self._forget(kept)
            self._return(kept)
        if self._waiting:
            self._sweeping = loop.call_later(_IDLE_SECONDS, self._sweep)


def _like_the_last(head: bytes, kept: KeptConnection) -> HTTPServerRequest | None:
    if kept.request is None or not (head.startswith(kept.before) and head.endswith(kept.after)):
        return None
    digits = head[len(kept.before) : -len(kept.after)]
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return None
    kept.request.headers["Upload-Offset"] = digits.decode()
    return kept.request


def _plain_chunk(head: bytes, kept: KeptConnection) -> HTTPServerRequest | None:
    """None for anything that is not plain."""
    if not head.startswith(b"PATCH /") or head.count(b"\n") != head.count(b"\r\n"):
        return None  # a line feed alone ends a line, and the head, for Tornado: what follows may be the body
    line, _, rest = head.decode("latin-1").partition("\r\n")
    try:
        start_line = parse_request_start_line(line)
        headers = HTTPHeaders.parse(rest)
        # Tornado finds the connection's context through the connection; a kept one has nothing else of it.
        request = HTTPServerRequest(start_line=start_line, headers=headers, connection=kept)  # type: ignore[arg-type]
    except (HTTPInputError, ValueError):
        return None
    if start_line.version != "HTTP/1.1" or not _LENGTH.fullmatch(headers.get("Content-Length", "")):
        return None
    if any(name in headers for name in _SECOND_THOUGHTS):
        return None
    kept.request = None
    if (found := _OFFSET.search(head)) and headers["Upload-Offset"] == found[1].decode():  # there is no other one
        kept.request = request
        kept.before, kept.after = head[: found.start(1)], head[found.end(1) :]
    return request
