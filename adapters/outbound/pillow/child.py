"""The process that looks at pictures and draws them; ``pool.py`` starts it and says why it is there.

One order at a time comes in through a socket, with the picture's descriptor, and its answer goes back. It may use only
so much memory, and for each order so much time; what goes beyond ends it. It ends with its parent.
"""

import ctypes
import fcntl
import io
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from adapters.outbound.pillow import drawing
from adapters.outbound.pillow.opening import TooManyPixels, forbid, open_picture
from adapters.outbound.pillow.orders import ANSWER, DRAWING, ORDER, Answer, Kind, Outcome
from domain.picture import SNIFFED_BYTES, sniff

_NICENESS = 10  # whoever waits for the server goes before whoever waits for a thumbnail
# What was taken for a picture is given back with it, and threads share it (mallopt(3)): trim threshold, mmap threshold,
# arenas. Without, a child holds as much as its largest picture took.
_MALLOC = ((-1, 1024 * 1024), (-3, 1024 * 1024), (-8, 1))
_READ_BYTES = 64 * 1024
_PAGE_KIB = resource.getpagesize() // 1024


class Limits(NamedTuple):
    """As they come on the command line."""

    pixels: int
    memory_bytes: int
    cpu_seconds: int


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    limits = Limits(*map(int, sys.argv[2:]))
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent drains, and may need us for it
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        for option in _MALLOC:
            mallopt(*option)
    forbid(limits.pixels)
    warnings.simplefilter("ignore")  # of what we do without (EXIF, further frames), or of half as much as we take
    with suppress(ConnectionError):  # the parent is gone
        _serve(orders, limits)


def _serve(orders: socket.socket, limits: Limits) -> None:
    fcntl.fcntl(orders, fcntl.F_SETOWN, os.getpid())
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, ORDER.size, 1)
        if not order:
            return
        kind, size, *boxes = ORDER.unpack(order)
        (descriptor,) = descriptors
        _allow(limits.cpu_seconds)
        with _ending_with_parent(orders):
            answer = _carry_out(Kind(kind), PositionedFile(descriptor, size), [box for box in boxes if box], limits)
        orders.sendall(_packed(answer))


def _carry_out(kind: Kind, file: "PositionedFile", boxes: list[int], limits: Limits) -> Answer:
    try:
        with io.BufferedReader(file, _READ_BYTES) as buffered:
            return _answer(kind, buffered, boxes, limits.pixels)
    except TooManyPixels as error:
        return Answer(Outcome.TOO_MANY_PIXELS, width=error.size[0], height=error.size[1])
    except Image.DecompressionBombError:
        return Answer(Outcome.TOO_MANY_PIXELS)
    except MemoryError:
        return Answer(Outcome.NO_MEMORY)
    except Exception as error:  # noqa: BLE001  what decoders raise of bytes that make no sense is anything at all
        if isinstance(error, OSError) and "out of memory" in str(error).lower():  # as Pillow's decoders tell it
            return Answer(Outcome.NO_MEMORY)
        return Answer(file.failure or Outcome.DAMAGED)


def _answer(kind: Kind, file: "io.BufferedReader[PositionedFile]", boxes: list[int], max_pixels: int) -> Answer:
    format_ = sniff(file.peek(SNIFFED_BYTES)[:SNIFFED_BYTES])
    if format_ is None:
        return Answer(Outcome.UNKNOWN)
    picture = open_picture(file, format_, max_pixels)
    dhash = drawing.dhash(picture) if kind is Kind.CHECK else 0
    drawings = drawing.draw(picture, boxes) if kind is Kind.DRAW else ()
    return Answer(Outcome.DONE, format_.value, *drawing.upright(picture), dhash, tuple(drawings))


def _allow(cpu_seconds: int) -> None:
    """So much more than it has used by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


@contextmanager
def _ending_with_parent(orders: socket.socket) -> Iterator[None]:
    """While an order is carried out nothing comes from the parent but its end: a signal that ends us as well."""
    flags = fcntl.fcntl(orders, fcntl.F_GETFL)
    fcntl.fcntl(orders, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(orders, fcntl.F_SETFL, flags)


def _packed(answer: Answer) -> bytes:
    head = ANSWER.pack(
        answer.outcome,
        answer.format.encode(),
        answer.width,
        answer.height,
        answer.dhash,
        len(answer.drawings),
        _resident_kib(),
    )
    parts = [head]
    for box, width, height, data in answer.drawings:
        parts += [DRAWING.pack(box, width, height, len(data)), data]
    return b"".join(parts)


def _resident_kib() -> int:
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_KIB
    except FileNotFoundError:  # no Linux
        return 0


class PositionedFile(io.RawIOBase):
    """A file by its descriptor, with a position of our own: the descriptor's is shared with the server."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._at = 0
        self.failure: Outcome | None = None
        """Why it could not be read, if so."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io hands us is one
        wanted = min(len(buffer), max(0, self._size - self._at))
        if not wanted:
            return 0
        try:
            count = os.preadv(self._descriptor, [memoryview(buffer)[:wanted]], self._at)
        except OSError:
            self.failure = Outcome.UNREADABLE
            raise
        if not count:
            self.failure = Outcome.GONE
            raise OSError("the file is shorter than it was")
        self._at += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


if __name__ == "__main__":
    main()
