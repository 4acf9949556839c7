"""Bodies that trickle and replies that nobody reads are ended, so that nobody holds a place here for nothing."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress
from weakref import WeakKeyDictionary

from adapters.inbound.http.engine.body import Body

_NO_LINGER = struct.pack("ii", 1, 0)  # the kernel forgets what it could not send
_TCP_INFO_BYTES = 128  # up to the end of tcpi_bytes_acked, since Linux 4.1


class BodyWatchdog:
    """Ends bodies that trickle: less than 1 KiB/s while the core waits for them (slow loris, half-open).

    Each is looked at when 29 s of its own are over, so that all is over within half a minute.
    """

    def __init__(self, *, period_seconds: float = 29.0, least_bytes: int = 29 * 1024) -> None:
        self.period_seconds = period_seconds
        self.least_bytes = least_bytes
        # Since when, and how many bytes it had then. Who waits longest is first: the period is one for all.
        self._watched: dict[Body, tuple[float, int]] = {}
        self._looking: asyncio.TimerHandle | None = None

    def watch(self, body: Body) -> None:
        loop = asyncio.get_running_loop()
        self._watched[body] = loop.time(), body.received
        if self._looking is None:
            self._looking = loop.call_later(self.period_seconds, self._look)

    def forget(self, body: Body) -> None:
        self._watched.pop(body, None)

    def close(self) -> None:
        self._watched.clear()
        if self._looking is not None:
            self._looking.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while (first := next(iter(self._watched.items()), None)) and first[1][0] + self.period_seconds <= now:
            body, (_, before) = first
            del self._watched[body]
            self._watched[body] = now, body.received
            if body.is_awaited and body.received - before < self.least_bytes:
                body.stop()
        self._looking = loop.call_at(first[1][0] + self.period_seconds, self._look) if first else None


class ReplyWatchdog:
    """Closes connections whose client takes nothing of what was sent to it for half a minute, whatever the reply was.

    It asks the kernel, so it is one rule for all: downloads, replies to requests that were sent ahead, event streams,
    WebSockets. A reader that is only slow takes something now and then. Linux's alone (``TCP_INFO``).
    """

    def __init__(self, *, patience_seconds: float = 25.0, looks_a_patience: int = 5) -> None:
        """The time from one look to the next may pass before a client is seen to take nothing."""
        self.patience_seconds = patience_seconds
        self.looks_a_patience = looks_a_patience
        # What each had taken when it was last seen to take something, and when that was; None: nothing waits for it.
        self._watched: WeakKeyDictionary[socket.socket, tuple[int, float] | None] = WeakKeyDictionary()
        self._task: asyncio.Task[None] | None = None

    def count(self) -> int:
        """How many connections are open; it looks at each."""
        return sum(connection.fileno() >= 0 for connection in self._watched)

    def watch(self, connection: socket.socket) -> None:
        """From now on, whoever has it, until it is closed."""
        self._watched[connection] = None
        if self._task is None and hasattr(socket, "TCP_INFO"):
            self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.patience_seconds / self.looks_a_patience)
            for connection, seen in list(self._watched.items()):
                with suppress(OSError):  # it is closed
                    self._watched[connection] = self._look(connection, seen, loop.time())

    def _look(self, connection: socket.socket, seen: tuple[int, float] | None, now: float) -> tuple[int, float] | None:
        if connection.fileno() < 0 or not _unread_bytes(connection):
            return None
        taken = _taken_bytes(connection)
        if seen is None or seen[0] != taken:
            return taken, now
        if now - seen[1] >= self.patience_seconds:
            reset(connection)
        return seen


def reset(connection: socket.socket) -> None:
    """End a connection there and then, whatever still waits in it; who has it learns of it and closes it."""
    with suppress(OSError):  # it is gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        connection.shutdown(socket.SHUT_RDWR)


def _unread_bytes(connection: socket.socket) -> int:
    """What the kernel has of ours that the client's has not taken."""
    count = bytearray(4)
    fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, count)
    return int.from_bytes(count, sys.byteorder)


def _taken_bytes(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from("Q", info, _TCP_INFO_BYTES - 8)[0])
