"""A large body on its way from the socket to the file, in a thread: by the kernel alone, where it can.

A pipe takes over the socket's pages, and the file copies them: once, and without this process seeing a byte.
"""

import errno
import fcntl
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from adapters.inbound.common.writing import write_block

_BLOCK_BYTES = 256 * 1024
_PIPE_BYTES = 1024 * 1024  # what anybody may have (fs.pipe-max-size)
# How long a thread waits for a sender that pauses before it gives its place to another body, and how long it does
# in all: a trickle pauses often and never long.
_IDLE_MILLISECONDS = 5
_IDLE_SECONDS_A_BURST = 0.02

_threads = threading.local()


@dataclass(slots=True)
class Burst:
    """Bytes to move from a socket to a place in a file while they come."""

    source: socket.socket
    fd: int
    at: int
    limit: int
    seconds: float
    permit: Callable[[], None]
    """Asked right before each write; may raise."""
    is_stopped: Callable[[], bool]


class _Carrier(Protocol):
    def take(self, limit: int) -> int:
        """From the socket, as ``recv`` does; return how many."""

    def put(self, size: int, at: int) -> None:
        """What has been taken, all of it, into the file."""


def move(burst: Burst) -> tuple[int, bool]:
    """How many bytes were moved, and whether the sender is gone."""
    poll = select.poll()
    poll.register(burst.source, select.POLLIN)
    moved, idle = 0, 0.0
    until = time.monotonic() + burst.seconds
    with _carrier(burst) as carrier:
        while moved < burst.limit and not burst.is_stopped() and (not moved or time.monotonic() < until):
            try:
                size = carrier.take(burst.limit - moved)
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
            burst.permit()
            carrier.put(size, burst.at + moved)
            moved += size
    return moved, False


@contextmanager
def _carrier(burst: Burst) -> Iterator[_Carrier]:
    ends = _pipe() if sys.platform == "linux" and burst.limit >= _PIPE_BYTES else ()
    try:
        yield _Pipe(burst.source.fileno(), burst.fd, *ends) if ends else _Buffer(burst.source, burst.fd)
    finally:
        for end in ends:
            os.close(end)


def _pipe() -> tuple[int, int] | tuple[()]:
    try:
        return os.pipe()
    except OSError:  # descriptors run short
        return ()


class _Pipe(_Carrier):
    """For one burst: where the file takes no more, something is left in it."""

    def __init__(self, source: int, target: int, outlet: int, inlet: int) -> None:
        self._source = source
        self._target = target
        self._outlet = outlet
        self._inlet = inlet
        with suppress(OSError):  # somebody has enough of them already: it takes less at a time then
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def take(self, limit: int) -> int:
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        return os.splice(self._source, self._inlet, min(limit, _PIPE_BYTES), flags=flags)

    def put(self, size: int, at: int) -> None:
        end = at + size
        while at < end:
            try:
                at += os.splice(self._outlet, self._target, end - at, offset_dst=at, flags=os.SPLICE_F_MOVE)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                # A file system that doesn't take it so.
                at = write_block(self._target, os.read(self._outlet, end - at), at)


class _Buffer(_Carrier):
    def __init__(self, source: socket.socket, target: int) -> None:
        self._source = source
        self._target = target
        self._block = _thread_block()

    def take(self, limit: int) -> int:
        return self._source.recv_into(self._block, min(limit, _BLOCK_BYTES))

    def put(self, size: int, at: int) -> None:
        write_block(self._target, self._block[:size], at)


def _thread_block() -> memoryview:
    block: memoryview | None = getattr(_threads, "block", None)
    if block is None:
        block = _threads.block = memoryview(bytearray(_BLOCK_BYTES))
    return block
