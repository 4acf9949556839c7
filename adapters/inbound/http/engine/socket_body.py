"""A body read from the socket itself: large ones go from the socket to the file in a thread, in bursts."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from tornado.iostream import IOStream, StreamClosedError

from adapters.inbound.common.writing import write_block, write_blocks
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.readiness import Readiness
from domain.checksum import Buffer

_BUFFER_BYTES = 256 * 1024
_TAKE_OVER_BYTES = 256 * 1024
_DISCARD_BYTES = 64 * 1024
# How long a thread waits for a sender that pauses before it gives its place to another body, and how long it does
# in all: a trickle pauses often and never long.
_IDLE_MILLISECONDS = 5
_IDLE_SECONDS_A_BURST = 0.02

_threads = threading.local()


class SocketBody(Body):
    """Lives on the event loop; only ``pour`` uses a thread, and waits for it.

    ``stream``: Tornado's, if it still has the socket and may have read some of the body; it is let go before the first
    byte is read.
    """

    length = 0
    is_cut = False

    def __init__(
        self,
        source: socket.socket,
        readiness: Readiness,
        *,
        stream: IOStream | None,
        length: int,
        expects_continue: bool,
        executor: Executor,
    ) -> None:
        self._socket = source
        self._readiness = readiness
        self._stream = stream
        self.length = length
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._prefix = b""  # what has been read of the body already
        self._has_begun = stream is None
        self._readable: asyncio.Future[None] | None = None
        self._is_bursting = False
        self._is_stopped = False
        self.awaits_continue = expects_continue
        self.untold = b""
        """What the socket did not take of the last interim response; the reply follows it."""
        self.received = 0
        self.left = length
        """Bytes that are still to come from the client."""

    @property
    def is_awaited(self) -> bool:
        # A thread in a burst waits for the client too; were it not said, a trickle would never be seen.
        return self._readable is not None or self._is_bursting

    def drop(self) -> None:
        """Nothing is held: what still comes is the exchange's to deal with."""

    def take_what_came(self) -> None:
        """Read what is there of a small body, before anybody asks: then nothing will be told of it."""
        if self.left <= _TAKE_OVER_BYTES:
            with suppress(OSError):  # nothing yet; or the client is gone: the next read will tell
                self._prefix = self._socket.recv(self.left)
                self._count(len(self._prefix))

    async def read(self, limit: int) -> bytes:
        if not self._has_begun:
            await self._begin()
        if self._prefix:
            return self._take_prefix(limit)
        while self.left and not self._is_stopped:
            try:
                block = self._socket.recv(min(limit, _BUFFER_BYTES, self.left))
            except BlockingIOError:
                await self._wait_readable()
                continue
            except OSError:
                block = b""
            self._count(len(block))
            if not block:
                break
            return block
        self.is_cut = self.is_cut or self.left > 0
        return b""

    async def gather(self, limit: int) -> bytes:
        first = await self.read(limit)
        if len(first) == limit or not first:
            return first
        blocks = [first]
        limit -= len(first)
        while limit and (block := await self.read(limit)):
            blocks.append(block)
            limit -= len(block)
        return b"".join(blocks)

    async def pour(
        self, fd: int, *, at: int, limit: int, seconds: float, observe: Callable[[Buffer], None] | None
    ) -> int:
        if not self._has_begun:
            await self._begin()
        deadline = self._loop.time() + seconds
        poured = 0
        if self._prefix:
            poured = await write_blocks(self._executor, fd, [self._take_prefix(limit)], at, observe)
        while self.left and poured < limit and not self._is_stopped:
            if poured and self._loop.time() >= deadline:
                return poured
            moved, is_ended = await self._burst(fd, at + poured, min(limit - poured, self.left), deadline, observe)
            self._count(moved)
            poured += moved
            if is_ended:
                self.stop()
            elif not moved:
                await self._wait_readable(until=deadline if poured else None)
        if not poured and self.left:
            self.is_cut = True
        return poured

    async def discard(self, limit: int) -> None:
        """Read what still comes and throw it away, about ``limit`` bytes of it."""
        self._is_stopped = False
        while limit > 0 and (block := await self.read(_DISCARD_BYTES)):
            limit -= len(block)

    def stop(self) -> None:
        if self.left:
            self.is_cut = True
        self._is_stopped = True
        self._wake()

    def tell(self, data: bytes) -> None:
        """See ``RunningExchange.tell``. Threads only read from the socket."""
        if self._stream is not None:
            if not (self._stream.closed() or self._stream.writing()):
                _ = self._stream.write(data)
        elif not self.untold:
            with suppress(OSError):  # no room: not now; the client is gone: the next read will tell
                self.untold = data[self._socket.send(data) :]

    @property
    def stream(self) -> IOStream | None:
        """Tornado's, as long as it has the socket."""
        return self._stream

    def close(self) -> None:
        self.stop()
        if self._stream is not None:
            self._stream.close()
        else:
            self._readiness.close()
            self._socket.close()

    async def _begin(self) -> None:
        """Before the first byte: say that it is wanted, and take over what Tornado has read of the body."""
        if self._is_stopped or self._stream is None:
            return
        self._has_begun = True
        if self.awaits_continue:
            self.awaits_continue = False
            with suppress(StreamClosedError):  # the next read will tell
                await self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._take_over(self._stream)

    def _take_over(self, stream: IOStream) -> None:
        """Empty Tornado's buffer, then take the socket from its stream; all in one turn of the loop, for the
        stream reads on by itself in the next.

        A read that gives less than was asked for, or nothing yet, has emptied the buffer. If that held more than the
        body, what follows in it is the next request's: then the stream stays.
        """
        while self.left and self._stream is not None:
            asked = min(self.left, _TAKE_OVER_BYTES)
            try:
                reading = cast("asyncio.Future[bytes]", stream.read_bytes(asked, partial=True))
                block = reading.result() if reading.done() else b""
            except StreamClosedError:
                self.stop()
                return
            self._prefix += block
            self._count(len(block))
            if (len(block) < asked or _is_empty(stream)) and not stream.closed():
                stream.io_loop.remove_handler(self._socket)
                self._stream = None

    async def _burst(
        self, fd: int, at: int, limit: int, deadline: float, observe: Callable[[Buffer], None] | None
    ) -> tuple[int, bool]:
        seconds = max(0.0, deadline - self._loop.time())
        burst = _Burst(self._socket, fd, at, limit, seconds, observe, lambda: self._is_stopped)
        work = self._loop.run_in_executor(self._executor, _move, burst)
        self._is_bursting = True
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._is_stopped = True
            await asyncio.wait([work])  # the descriptor is the caller's to close, but not under our thread
            raise
        finally:
            self._is_bursting = False

    async def _wait_readable(self, *, until: float | None = None) -> None:
        if self._is_stopped:
            return
        self._readable = self._loop.create_future()
        self._readiness.ask(self._wake)
        alarm = self._loop.call_at(until, self._wake) if until is not None else None
        try:
            await self._readable
        finally:
            self._stop_listening()
            if alarm:
                alarm.cancel()

    def _wake(self) -> None:
        if self._readable and not self._readable.done():
            self._readable.set_result(None)

    def _stop_listening(self) -> None:
        if self._readable is not None:
            self._readable = None
            self._readiness.rest()

    def _take_prefix(self, limit: int) -> bytes:
        block, self._prefix = self._prefix[:limit], self._prefix[limit:]
        return block

    def _count(self, size: int) -> None:
        self.received += size
        self.left -= size


def _is_empty(stream: IOStream) -> bool:
    """Whether Tornado has read nothing that is not taken yet. It has no public word for it; without this one, streams
    that held the whole body are kept, which is slower."""
    return getattr(stream, "_read_buffer_size", 1) == 0


@dataclass(slots=True)
class _Burst:
    """Bytes to move from a socket to a place in a file while they come."""

    source: socket.socket
    fd: int
    at: int
    limit: int
    seconds: float
    observe: Callable[[Buffer], None] | None
    is_stopped: Callable[[], bool]


def _move(burst: _Burst) -> tuple[int, bool]:
    """In a thread: how many bytes were moved, and whether the sender is gone."""
    buffer = _thread_buffer()
    poll = select.poll()
    poll.register(burst.source, select.POLLIN)
    moved, at, idle = 0, burst.at, 0.0
    until = time.monotonic() + burst.seconds
    while moved < burst.limit and not burst.is_stopped() and (not moved or time.monotonic() < until):
        try:
            size = burst.source.recv_into(buffer, min(burst.limit - moved, _BUFFER_BYTES))
        except BlockingIOError:
            begun = time.monotonic()
            if idle > _IDLE_SECONDS_A_BURST or not poll.poll(_IDLE_MILLISECONDS):
                break
            idle += time.monotonic() - begun
            continue
        except OSError:
            return moved, True
        if not size:
            return moved, True
        block = buffer[:size]
        if burst.observe:
            burst.observe(block)
        at = write_block(burst.fd, block, at)
        moved += size
    return moved, False


def _thread_buffer() -> memoryview:
    buffer: memoryview | None = getattr(_threads, "buffer", None)
    if buffer is None:
        buffer = _threads.buffer = memoryview(bytearray(_BUFFER_BYTES))
    return buffer
