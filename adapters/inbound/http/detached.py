"""Exchanges with large bodies, which go from the socket to the file, or back, without passing through the event loop.

Tornado's read loop costs a callback per 64 KiB. A body of a known length of 1 MiB or more is taken off it: the
connection is detached (Tornado's public way out), a thread moves the bytes in bursts, and when the reply is sent
the socket goes back to the server, so that keep-alive lives. TLS, chunked and short bodies take ``streaming.py``.
Downloads are detached too: ``sending.py``.
"""

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Unpack, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from adapters.inbound.common.block_source import write_blocks
from adapters.inbound.http.body import Body
from adapters.inbound.http.exchange import (
    LINGER_BYTES,
    LINGER_SECONDS,
    Options,
    Reply,
    Route,
    RunningExchange,
    Services,
    announced_length,
    reason_of,
)
from adapters.inbound.http.sending import send_slice
from domain.checksum import Buffer

_WORTH_IT_BYTES = 1024 * 1024
_BUFFER_BYTES = 256 * 1024
_LINGER_READ_BYTES = 64 * 1024
_TAKE_OVER_BYTES = 256 * 1024
# How long a thread waits for a sender that pauses before it gives its place to another body, and how long it does
# in all: a trickle pauses often and never long.
_IDLE_MILLISECONDS = 5
_IDLE_SECONDS_A_BURST = 0.02

_threads = threading.local()


def is_worth_detaching(request: HTTPServerRequest, *, sends_files: bool) -> bool:
    """``sends_files``: what the route answers a GET with."""
    connection = request.connection
    if not isinstance(connection, HTTP1Connection) or isinstance(connection.stream, SSLIOStream):
        return False
    length = announced_length(request.headers)
    if request.method == "GET":
        return sends_files and length == 0
    return request.method in ("PATCH", "PUT") and length is not None and length >= _WORTH_IT_BYTES


class DetachedExchange(RunningExchange):
    """Only for a request of which ``is_worth_detaching`` is true."""

    def __init__(
        self, request: HTTPServerRequest, route: Route, services: Services, **options: Unpack[Options]
    ) -> None:
        super().__init__(request, route, services, **options)
        self._connection = cast(HTTP1Connection, request.connection)
        self._address = getattr(request.connection.context, "address", None)  # type: ignore[union-attr]
        self._task: asyncio.Task[None] | None = None
        self._body: SocketBody | None = None
        self._sending_to: socket.socket | None = None

    @property
    def body(self) -> "SocketBody":
        return cast(SocketBody, self._body)  # from headers_received on

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._body = SocketBody(
            self._connection.detach(),
            length=announced_length(headers) or 0,
            expects_continue=headers.get("Expect", "").lower() == "100-continue",
            executor=self.services.executor,
        )
        self._task = asyncio.create_task(self.run())
        return None

    async def send(self, reply: Reply) -> None:
        stream = await self.body.release()
        head = [f"HTTP/1.1 {reply.status} {reason_of(reply.status)}"]
        head += [f"{name}: {value}" for name, value in reply.complete_headers().items()]
        await stream.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + reply.body)
        if reply.slice is not None and self.request.method != "HEAD":
            # A socket of our own: should the stream notice that the client is gone, it closes only its own.
            with stream.socket.dup() as self._sending_to:
                self._sending_to.setblocking(False)
                await send_slice(reply.slice, self._sending_to, self.services.executor)
        elif reply.content is not None and self.request.method != "HEAD":
            async for block in reply.content:
                await stream.write(block)
        if self.body.left:
            await self._linger(stream)
        elif self._keeps_alive():
            self.services.serve_again(stream, self._address)
        else:
            stream.close()

    def cut(self) -> None:
        super().cut()
        if self._sending_to is not None:
            with suppress(OSError):  # it is over already
                self._sending_to.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        self.body.close()

    def _keeps_alive(self) -> bool:
        request = self.request
        return request.version == "HTTP/1.1" and request.headers.get("Connection", "").lower() != "close"

    async def _linger(self, stream: IOStream) -> None:
        """Throw away what is still under way, for a while, so that the reply arrives."""
        left = min(self.body.left, LINGER_BYTES)
        try:
            async with asyncio.timeout(0 if self.body.awaits_continue else LINGER_SECONDS):
                while left > 0:
                    left -= len(await stream.read_bytes(min(left, _LINGER_READ_BYTES), partial=True))
        except (TimeoutError, StreamClosedError):
            pass
        finally:
            stream.close()


class SocketBody(Body):
    """A body read from the socket itself. Lives on the event loop; only ``pour`` uses a thread, and waits for it."""

    def __init__(self, stream: IOStream, *, length: int, expects_continue: bool, executor: Executor) -> None:
        self._stream = stream
        self._socket = stream.socket
        self._length = length
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._prefix = b""  # what Tornado had read of the body already
        self._has_begun = False
        self._is_taken = False
        self._readable: asyncio.Future[None] | None = None
        self._is_bursting = False
        self._stopped = threading.Event()
        self._is_cut = False
        self.awaits_continue = expects_continue
        self.received = 0
        self.left = length
        """Bytes that are still to come from the client."""

    @property
    def length(self) -> int | None:
        return self._length

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    @property
    def is_awaited(self) -> bool:
        # A thread in a burst waits for the client too; were it not said, a trickle would never be seen.
        return self._readable is not None or self._is_bursting

    def drop(self) -> None:
        """Nothing is held: what still comes is the exchange's to deal with."""

    async def read(self, limit: int) -> bytes:
        await self._begin()
        if self._prefix:
            return self._take_prefix(limit)
        while self.left and not self._stopped.is_set():
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
        self._is_cut = self._is_cut or self.left > 0
        return b""

    async def gather(self, limit: int) -> bytes:
        blocks = []
        while limit and (block := await self.read(limit)):
            blocks.append(block)
            limit -= len(block)
        return b"".join(blocks)

    async def pour(
        self, fd: int, *, at: int, limit: int, seconds: float, observe: Callable[[Buffer], None] | None
    ) -> int:
        await self._begin()
        deadline = self._loop.time() + seconds
        poured = 0
        if self._prefix:
            poured = await write_blocks(self._executor, fd, [self._take_prefix(limit)], at, observe)
        while self.left and poured < limit and not self._stopped.is_set():
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
            self._is_cut = True
        return poured

    def stop(self) -> None:
        if self.left:
            self._is_cut = True
        self._stopped.set()
        self._wake()

    def close(self) -> None:
        self.stop()
        self._stream.close()

    async def release(self) -> IOStream:
        """The connection as a stream, for the reply and what comes after it."""
        return IOStream(self._socket) if self._is_taken else self._stream

    async def _begin(self) -> None:
        """Before the first byte: say that it is wanted, and take over what Tornado has read of the body."""
        if self._has_begun:
            return
        self._has_begun = True
        if self.awaits_continue:
            self.awaits_continue = False
            with suppress(StreamClosedError):  # the next read will tell
                await self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._take_over()

    def _take_over(self) -> None:
        """Empty Tornado's buffer, then take the socket from its stream; all in one turn of the loop, for the
        stream reads on by itself in the next.

        A read that gives less than was asked for, or nothing yet, has emptied the buffer. If that held the whole
        body, what follows in it is the next request's: then the stream stays.
        """
        while self.left and not self._is_taken:
            asked = min(self.left, _TAKE_OVER_BYTES)
            try:
                reading = cast("asyncio.Future[bytes]", self._stream.read_bytes(asked, partial=True))
                block = reading.result() if reading.done() else b""
            except StreamClosedError:
                self.stop()
                return
            self._prefix += block
            self._count(len(block))
            if len(block) < asked and not self._stream.closed():
                self._stream.io_loop.remove_handler(self._socket)
                self._is_taken = True

    async def _burst(
        self, fd: int, at: int, limit: int, deadline: float, observe: Callable[[Buffer], None] | None
    ) -> tuple[int, bool]:
        seconds = max(0.0, deadline - self._loop.time())
        burst = _Burst(self._socket, fd, at, limit, seconds, observe, self._stopped)
        work = self._loop.run_in_executor(self._executor, _move, burst)
        self._is_bursting = True
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopped.set()
            await asyncio.wait([work])  # the descriptor is the caller's to close, but not under our thread
            raise
        finally:
            self._is_bursting = False

    async def _wait_readable(self, *, until: float | None = None) -> None:
        if self._stopped.is_set():
            return
        self._readable = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), self._wake)
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
            self._loop.remove_reader(self._socket.fileno())

    def _take_prefix(self, limit: int) -> bytes:
        block, self._prefix = self._prefix[:limit], self._prefix[limit:]
        return block

    def _count(self, size: int) -> None:
        self.received += size
        self.left -= size


@dataclass(slots=True)
class _Burst:
    """Bytes to move from a socket to a place in a file while they come."""

    source: socket.socket
    fd: int
    at: int
    limit: int
    seconds: float
    observe: Callable[[Buffer], None] | None
    stopped: threading.Event


def _move(burst: _Burst) -> tuple[int, bool]:
    """In a thread: how many bytes were moved, and whether the sender is gone."""
    buffer = _thread_buffer()
    poll = select.poll()
    poll.register(burst.source, select.POLLIN)
    moved, at, idle = 0, burst.at, 0.0
    until = time.monotonic() + burst.seconds
    while moved < burst.limit and not burst.stopped.is_set() and (not moved or time.monotonic() < until):
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
        while block:  # pwrite may write less than asked
            written = os.pwrite(burst.fd, block, at)
            block, at = block[written:], at + written
        moved += size
    return moved, False


def _thread_buffer() -> memoryview:
    buffer: memoryview | None = getattr(_threads, "buffer", None)
    if buffer is None:
        buffer = _threads.buffer = memoryview(bytearray(_BUFFER_BYTES))
    return buffer
