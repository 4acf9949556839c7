"""The way out to one socket: ready-made frames, at once or in its turn; for a slow reader, the newest of each key."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable

import structlog
from tornado.iostream import IOStream, StreamClosedError

from adapters.inbound.common.backlog import Backlog

log = structlog.get_logger(__name__)

_TEXT = 0x81  # RFC 6455 §5.2: FIN and opcode 1; a server doesn't mask
_SLICE = 250
"""Sockets written to before others get the event loop: about 2 ms."""


def text_frame(text: bytes) -> bytes:
    """RFC 6455 §5.2: one unmasked, unfragmented text frame."""
    size = len(text)
    if size < 126:
        return struct.pack("!BB", _TEXT, size) + text
    if size < 1 << 16:
        return struct.pack("!BBH", _TEXT, 126, size) + text
    return struct.pack("!BBQ", _TEXT, 127, size) + text


class Flusher:
    """Whose turn it is to be written to, of all sockets of a process.

    A system call is most of what a message costs. While a crowd is written to, more comes up for those whose turn is
    still to come, and goes out in the same call: the more there is to tell, the less each of it costs.
    """

    def __init__(self) -> None:
        self._due: deque[Outgoing] = deque()
        self._runs = False

    def add(self, outgoing: "Outgoing") -> None:
        self._due.append(outgoing)
        if not self._runs:
            self._runs = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        for _ in range(min(len(self._due), _SLICE)):
            try:
                self._due.popleft().flush()
            except Exception:
                # One broken socket must not cost the others their news.
                log.exception("a socket could not be written to")
        self._runs = bool(self._due)
        if self._runs:
            asyncio.get_running_loop().call_soon(self._run)


class Outgoing:
    """No backlog grows behind what the socket has not taken yet: a newer frame of a key replaces the older.

    ``on_slow`` is called once the reader has left more than ``max_bytes`` unread, or nothing of what waits
    could be sent for ``max_seconds``.
    """

    __slots__ = (
        *("_backlog", "_flusher", "_idle", "_is_closed", "_is_due", "_max_seconds", "_on_slow"),
        *("_rest", "_stalled", "_stream"),
    )

    def __init__(
        self, stream: IOStream, flusher: Flusher, *, max_bytes: int, max_seconds: float, on_slow: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._flusher = flusher
        self._max_seconds = max_seconds
        self._on_slow = on_slow
        self._backlog = Backlog(max_bytes)
        # Done when the stream has taken all it was given; as long as anything waits, this is there.
        self._rest: asyncio.Future[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None
        self._is_due = False
        self._is_closed = False

    def send(self, *frames: tuple[str, bytes]) -> None:
        """Each with its key: at once where nothing waits, and in one system call."""
        if not self._backlog and self._rest is None and not self._is_closed and not self._stream.writing():
            self._write(b"".join(frame for _, frame in frames))
        else:
            for key, frame in frames:
                self.send_soon(key, frame)

    def send_soon(self, key: str, frame: bytes) -> None:
        """Together with what else comes up for this socket until its turn comes."""
        if self._is_closed:
            return
        if not self._backlog.put(key, frame):
            self._give_up()
        elif self._rest is None and not self._is_due:
            self._is_due = True
            self._flusher.add(self)

    def flush(self) -> None:
        """Send what waits."""
        self._is_due = False
        if self._is_closed:
            return
        if self._stream.writing():  # a ping, say
            self._await_rest()
        else:
            self._write(self._backlog.take_all())
            if self._rest is None:
                self._settle()

    async def ready(self) -> None:
        """Return once nothing waits any more, or it is closed."""
        while not self._is_closed and (self._backlog or self._stream.writing()):
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
                if not self._is_due:
                    self._await_rest()
            await asyncio.shield(self._idle)

    def close(self) -> None:
        """Send nothing more, but for what would have been sent by now; what else waits is forgotten."""
        if self._is_due:
            self.flush()
        self._is_closed = True
        self._backlog.clear()
        self._settle()

    def _write(self, frame: bytes) -> None:
        sent = self._send_now(frame)
        if sent == len(frame):
            return
        try:
            rest = self._stream.write(frame[sent:])
        except StreamClosedError:
            self.close()  # its handler hears of it by itself
            return
        if self._stream.writing():
            self._backlog.leaving += len(frame) - sent
            self._follow(rest)

    def _send_now(self, frame: bytes) -> int:
        """Straight into the socket, as the stream has nothing to write: ``IOStream.write`` makes a future and
        two copies where this makes one system call, and it is done for every watcher of every event."""
        if self._stream.closed():
            return 0
        try:
            return self._stream.write_to_fd(memoryview(frame))
        except BlockingIOError:
            return 0
        except OSError as error:
            self._stream.close(exc_info=error)
            return 0

    def _await_rest(self) -> None:
        """Have ``_go_on`` called once the stream is empty, also where a ping or a pong fills it."""
        if self._rest is None:
            try:
                self._follow(self._stream.write(b""))
            except StreamClosedError:
                self.close()

    def _follow(self, rest: "asyncio.Future[None]") -> None:
        self._rest = rest
        rest.add_done_callback(self._go_on)
        if self._stalled is None:
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(self._max_seconds, self._give_up)

    def _go_on(self, rest: "asyncio.Future[None]") -> None:
        if rest is not self._rest or self._is_closed:
            return
        self._rest = None
        self._backlog.leaving = 0
        self._settle(is_idle=not self._backlog)
        if rest.exception():
            self.close()
        while self._backlog and self._rest is None and not self._is_closed:
            self._write(self._backlog.take())
        if not self._backlog and self._rest is None:
            self._settle()

    def _settle(self, *, is_idle: bool = True) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if is_idle and self._idle is not None:
            if not self._idle.done():
                self._idle.set_result(None)
            self._idle = None

    def _give_up(self) -> None:
        if not self._is_closed:
            self.close()
            self._on_slow()
