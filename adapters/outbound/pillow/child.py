"""The process that looks at pictures, draws and edits them; ``pool.py`` starts it and says why it is there.

One order at a time comes in through a socket, with the picture's descriptor, and its answer goes back. It may use only
so much memory, and for each order so much time; what goes beyond ends it. It ends with its parent.
"""

import ctypes
import fcntl
import io
import os
import resource
import select
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image

from adapters.outbound.pillow import drawing
from adapters.outbound.pillow.opening import TooLargeAResult, TooManyPixels, forbid, open_picture
from adapters.outbound.pillow.orders import ANSWER, BLOCK, BLOCK_BYTES, DRAWING, ORDER, Answer, Kind, Order, Outcome
from adapters.outbound.pillow.picture import Picture
from domain.picture import SNIFFED_BYTES, PictureFormat, sniff

_NICENESS = 10  # whoever waits for the server goes before whoever waits for a thumbnail
_MIB = 1024 * 1024
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt(3)
_SOON = 0.1  # seconds; memory is kept so long for the next order
_MOST_KEPT_KIB = 88 * 1024  # with the program; one that holds more than its parent's limit, somewhat above, is ended
# Other decoders ask for a whole picture in one piece, which would come on top of what is kept.
_DECODED_BY_PILLOW = frozenset({PictureFormat.JPEG, PictureFormat.PNG, PictureFormat.GIF})
_READ_BYTES = 64 * 1024
_PAGE_KIB = resource.getpagesize() // 1024


_OUTCOMES = {
    Image.DecompressionBombError: Outcome.TOO_MANY_PIXELS,
    TooLargeAResult: Outcome.TOO_LARGE_A_RESULT,
    MemoryError: Outcome.NO_MEMORY,
}


class Limits(NamedTuple):
    """As they come on the command line."""

    pixels: int
    memory_bytes: int
    cpu_seconds: int
    edit_memory_bytes: int
    edit_cpu_seconds: int


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    limits = Limits(*map(int, sys.argv[2:]))
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent drains, and may need us for it
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.edit_memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # what it makes goes to its parent
    _give_memory_back()
    forbid(limits.pixels)
    warnings.simplefilter("ignore")  # of what we do without (EXIF, further frames), or of half as much as we take
    with suppress(ConnectionError):  # the parent is gone
        _serve(orders, limits)


def _serve(orders: socket.socket, limits: Limits) -> None:
    fcntl.fcntl(orders, fcntl.F_SETOWN, os.getpid())
    while True:
        if not select.select([orders], [], [], _SOON)[0]:
            _give_memory_back()
        message, descriptors, _, _ = socket.recv_fds(orders, ORDER.size, 1)
        if not message:
            return
        order = Order.unpacked(message)
        (descriptor,) = descriptors
        _allow(order.kind, limits)
        file = PositionedFile(descriptor, order.size)
        if order.kind is Kind.EDIT:
            answer = _edited(orders, order, file, limits)
        else:
            with _ending_with_parent(orders):
                answer = _carry_out(order, file, limits, io.BytesIO())
        if _resident_kib() > _MOST_KEPT_KIB:
            _give_memory_back()
        orders.sendall(_packed(answer))


def _edited(orders: socket.socket, order: Order, file: "PositionedFile", limits: Limits) -> Answer:
    with _ending_with_parent(orders):
        out = Blocks(orders)
        with io.BufferedWriter(out, BLOCK_BYTES) as buffered:  # type: ignore[type-var]  # for its override
            answer = _carry_out(order, file, limits, buffered)
            if answer.outcome is not Outcome.DONE:
                out.is_over = True  # what has been made is worth nothing
    orders.sendall(BLOCK.pack(0))
    return answer


def _carry_out(order: Order, file: "PositionedFile", limits: Limits, out: IO[bytes]) -> Answer:
    try:
        with io.BufferedReader(file, _READ_BYTES) as buffered:
            answer = _answer(order, buffered, limits.pixels, out)
        out.flush()
        return answer
    except TooManyPixels as error:
        return Answer(Outcome.TOO_MANY_PIXELS, width=error.size[0], height=error.size[1])
    except (Image.DecompressionBombError, TooLargeAResult, MemoryError) as error:
        return Answer(_OUTCOMES[type(error)])
    except Exception as error:  # noqa: BLE001  what decoders raise of bytes that make no sense is anything at all
        if isinstance(error, OSError) and "out of memory" in str(error).lower():  # as Pillow's decoders tell it
            return Answer(Outcome.NO_MEMORY)
        return Answer(file.failure or Outcome.DAMAGED)


def _answer(order: Order, file: "io.BufferedReader[PositionedFile]", max_pixels: int, out: IO[bytes]) -> Answer:
    format_ = sniff(file.peek(SNIFFED_BYTES)[:SNIFFED_BYTES])
    if format_ is None:
        return Answer(Outcome.UNKNOWN)
    if format_ in _DECODED_BY_PILLOW and order.kind is not Kind.EDIT:
        _keep_memory()
    else:
        _give_memory_back()
    picture = open_picture(file, format_, max_pixels)
    match order.kind:
        case Kind.LOOK:
            return _done(format_, picture)
        case Kind.CHECK:
            dhash = drawing.dhash(picture)
            return _done(format_, picture)._replace(dhash=dhash)
        case Kind.DRAW:
            drawings = tuple(drawing.draw(picture, order.boxes))
            return _done(format_, picture)._replace(drawings=drawings)
        case Kind.EDIT:
            from adapters.outbound.pillow import editing  # most pictures are only looked at

            made, size = editing.edit(picture, format_, order.edit, original=file, out=out, max_pixels=max_pixels)
            return Answer(Outcome.DONE, made.value, *size)


def _done(format_: PictureFormat, picture: Picture) -> Answer:
    return Answer(Outcome.DONE, format_.value, *drawing.upright(picture))


def _keep_memory() -> None:
    """What a picture took, for the next one: new pages would come one by one, for a tenth of a PNG's time."""
    _set_malloc(free=64 * _MIB, piece=32 * _MIB)  # what 12 MP take; Pillow's pieces are 16 MiB


def _give_memory_back() -> None:
    """Without, a child holds as much as its largest picture took."""
    _set_malloc(free=_MIB, piece=_MIB)
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc
        trim(0)


def _set_malloc(*, free: int, piece: int) -> None:
    """``free``: what may be so at the end. ``piece``: so large a one is given back at once. Threads share all."""
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        for option in ((_TRIM_THRESHOLD, free), (_MMAP_THRESHOLD, piece), (_ARENA_MAX, 1)):
            mallopt(*option)


def _allow(kind: Kind, limits: Limits) -> None:
    """So much memory, and so much time more than it has used by now."""
    is_edit = kind is Kind.EDIT
    memory = limits.edit_memory_bytes if is_edit else limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, limits.edit_memory_bytes))
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + (limits.edit_cpu_seconds if is_edit else limits.cpu_seconds)
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


@contextmanager
def _without_signals(orders: socket.socket) -> Iterator[None]:
    """While we send: the signal would also say that there is room again. That the parent is gone an error says."""
    flags = fcntl.fcntl(orders, fcntl.F_GETFL)
    fcntl.fcntl(orders, fcntl.F_SETFL, flags & ~os.O_ASYNC)
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


class Blocks(io.RawIOBase):
    """What an edit makes goes to the parent, as ``orders.py`` has it; nothing of it is on a disk that we could fill."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self.is_over = False
        """What is written now goes nowhere."""

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview) -> int:  # type: ignore[override]  # what io hands us is one
        view = memoryview(data).cast("B")
        for at in range(0, 0 if self.is_over else len(view), BLOCK_BYTES):
            block = view[at : at + BLOCK_BYTES]
            with _without_signals(self._orders):
                self._orders.sendall(BLOCK.pack(len(block)))
                self._orders.sendall(block)
        return len(view)


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
