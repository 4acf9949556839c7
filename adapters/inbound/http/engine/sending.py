"""A file to a socket within the kernel: no byte passes through this process."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

from tornado.iostream import StreamClosedError

from adapters.inbound.http.engine.exchange import FileSlice

# A fast reader gives its thread back after so much; a slow one as soon as its socket is full.
_BURST_BYTES = 64 * 1024 * 1024
_TCP_CORK: int | None = getattr(socket, "TCP_CORK", None)  # Linux's alone


async def send_slice(
    piece: FileSlice, to: socket.socket, executor: Executor, on_sent: Callable[[int], None] = lambda _: None
) -> None:
    """Send all of it; ``to`` does not block and is nobody else's to write to meanwhile. ``on_sent``: told how many
    bytes have gone, each time that some have.

    Raises:
        StreamClosedError: the reader is gone, or the file is shorter than it was.
    """
    loop = asyncio.get_running_loop()
    at, end = piece.start, piece.start + piece.size
    with _full_segments(to):
        while at < end:
            sending = loop.run_in_executor(executor, _burst, piece.fd, at, min(end, at + _BURST_BYTES), to)
            try:
                sent = await asyncio.shield(sending)
            except asyncio.CancelledError:
                await asyncio.wait([sending])  # the descriptors are not to be closed under our thread
                raise
            at += sent
            on_sent(sent)
            if at < end and not sent:
                await _writable(to)


@contextmanager
def _full_segments(to: socket.socket) -> Iterator[None]:
    """The kernel hands a file to the socket 64 KiB at a time: meanwhile it is not to push each of these out alone."""
    _cork(to, True)
    try:
        yield
    finally:
        _cork(to, False)


def _cork(to: socket.socket, is_on: bool) -> None:
    if _TCP_CORK is not None:
        with suppress(OSError):  # the reader is gone: sending will tell
            to.setsockopt(socket.IPPROTO_TCP, _TCP_CORK, is_on)


def _burst(fd: int, at: int, end: int, to: socket.socket) -> int:
    """In a thread: send until the socket is full; how much was sent."""
    start = at
    try:
        while at < end:
            sent = os.sendfile(to.fileno(), fd, at, end - at)
            if not sent:
                raise StreamClosedError(EOFError("the file is shorter than it was"))
            at += sent
    except BlockingIOError:
        pass
    except OSError as error:
        raise StreamClosedError(error) from error
    return at - start


async def _writable(to: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(to.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_writer(to.fileno())
