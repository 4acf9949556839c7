"""A connection as Tornado wants it, for one request: with the head as we have read it."""

import time
from collections.abc import Sequence

from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from adapters.inbound.common.visits import Observer, Visit
from adapters.inbound.http.engine.wire.connection import Connection

_FAREWELL_SECONDS = 1.0
_MAX_HEAD_BYTES = 8 * 1024


class HandedStream(IOStream):
    """Gives what has been read already, then what the socket has.

    To Tornado the end of input is the end of the client. Where nobody reads it may be one that waits for its answer, a
    refusal perhaps: that has a second to go out.
    """

    def __init__(
        self,
        connection: Connection,
        request: HTTPServerRequest,
        visit: Visit | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """``observers`` are told of the ``visit`` when the stream is closed."""
        self._first = _head_of(request) + connection.ahead
        self._is_leaving = False
        self.visit = visit
        self._observers = observers
        if visit is not None:
            visit.seconds = -time.perf_counter()
            visit.bytes_in = len(connection.ahead)
        super().__init__(connection.socket)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        if self._first:
            size = min(len(buf), len(self._first))
            buf[:size] = self._first[:size]
            self._first = self._first[size:]
            return size
        read = super().read_from_fd(buf)
        if read and self.visit is not None:
            self.visit.bytes_in += read
        if read == 0 and not self.reading():
            self._leave()
            return None
        return read

    def write_to_fd(self, data: memoryview) -> int:
        visit = self.visit
        if visit is None:
            return super().write_to_fd(data)
        head = bytes(data[:_MAX_HEAD_BYTES]) if not visit.status else b""
        sent = super().write_to_fd(data)
        visit.bytes_out += sent
        if sent and head[9:12].isdigit():  # HTTP/1.1 200 OK
            visit.status = int(head[9:12])
            visit.bytes_out -= head.find(b"\r\n\r\n") + 4
        return sent

    def close_fd(self) -> None:
        super().close_fd()
        visit, self.visit = self.visit, None
        if visit is not None:
            visit.seconds += time.perf_counter()
            visit.bytes_out = max(0, visit.bytes_out)
            visit.is_cut = not visit.status
            visit.is_endless = visit.status < 400  # what else is Tornado's has no end by itself
            for observer in self._observers:
                observer(visit)

    def _leave(self) -> None:
        # The end is there to be read for ever: the loop is not to tell of it again.
        self.io_loop.update_handler(self.fileno(), IOLoop.ERROR | (IOLoop.WRITE if self.writing() else 0))
        if not self._is_leaving:
            self._is_leaving = True
            self.io_loop.call_later(_FAREWELL_SECONDS, self.close)


def _head_of(request: HTTPServerRequest) -> bytes:
    """In one spelling; nothing is left that Tornado could read otherwise. Unless it becomes a WebSocket, the connection
    ends with the reply: what comes next on it is not Tornado's to read."""
    headers = request.headers
    kept = [(name, value) for name, value in headers.get_all() if name not in ("Content-Length", "Expect")]
    if "Upgrade" not in headers:
        kept = [(name, value) for name, value in kept if name != "Connection"] + [("Connection", "close")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
    target = f"{request.path}?{request.query}" if request.query else request.path
    return f"{request.method} {target} {request.version}\r\n{lines}\r\n".encode("latin-1")
