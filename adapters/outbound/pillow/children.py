"""Our side of a process that looks at pictures; ``child.py`` is the other."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.outbound.pillow.orders import (
    ANSWER,
    BLOCK,
    BLOCK_BYTES,
    DRAWING,
    MOST_BOXES,
    MOST_DRAWN_BYTES,
    MOST_EDITED_BYTES,
    Answer,
    Drawing,
    Kind,
    Order,
    Outcome,
)
from domain.picture import PictureFormat

_ROOT = str(Path(__file__).resolve().parents[__name__.count(".")])
"""Where our top package lies, in a checkout or installed."""
# Where modules are found is told it: that costs less than finding it out, and holds wherever we are embedded.
_START = """import sys
sys.path[:] = sys.argv.pop(1).split("\\n")
from adapters.outbound.pillow.child import main
main()"""


Sink = Callable[[bytes], Awaitable[None]]
"""Takes what an edit makes, a block at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use."""

    pixels: int
    memory_bytes: int
    """Of addresses, programs and libraries included."""
    cpu_seconds: int = 15
    """For each order but an edit."""
    edit_memory_bytes: int = 0
    """While it edits: all of a picture at once, and what is made of it."""
    edit_cpu_seconds: int = 120
    kept_kib: int = 96 * 1024
    """One that holds more after its order is ended; the next order gets another."""


class Child:
    """Starts the process, which may block; ``kill``, ``wait`` and ``close`` end it."""

    def __init__(self, limits: Limits) -> None:
        ours, its = socket.socketpair()
        told = [str(each) for each in (its.fileno(), limits.pixels, limits.memory_bytes, limits.cpu_seconds)]
        told += [str(max(limits.memory_bytes, limits.edit_memory_bytes)), str(limits.edit_cpu_seconds)]
        places = [place for place in sys.path if place]
        if _ROOT not in places:
            places.insert(0, _ROOT)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-P", "-c", _START, "\n".join(places), *told],
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            its.close()
        ours.setblocking(False)
        self._socket = ours

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    async def carry_out(self, order: Order, descriptor: int, sink: Sink | None = None) -> Answer:
        """``sink``: an edit's.

        Raises:
            OSError, ValueError: it is gone, or says what makes no sense.
        """
        socket.send_fds(self._socket, [order.packed()], [descriptor])  # so little always has room
        if order.kind is Kind.EDIT:
            await self._blocks(sink)
        outcome, format_, width, height, dhash, count, resident_kib = ANSWER.unpack(await self._read(ANSWER.size))
        if count > MOST_BOXES:
            raise ValueError("too many drawings")
        drawings = tuple([await self._drawing() for _ in range(count)])
        name = format_.rstrip(b"\0").decode()
        answer = Answer(Outcome(outcome), name, width, height, dhash, drawings, resident_kib)
        if answer.outcome is Outcome.DONE:
            _check(answer, order)
        return answer

    def kill(self) -> None:
        with suppress(OSError):  # it is dead already
            self._socket.shutdown(socket.SHUT_RDWR)  # who waits for an answer hears of it
        self._process.kill()

    def wait(self) -> None:
        """Return once it is gone; blocks."""
        self._process.wait()

    def close(self) -> None:
        """After ``wait``."""
        self._socket.close()

    async def _blocks(self, sink: Sink | None) -> None:
        total = 0
        while size := BLOCK.unpack(await self._read(BLOCK.size))[0]:
            total += size
            if sink is None or size > BLOCK_BYTES or total > MOST_EDITED_BYTES:
                raise ValueError("too large a block, or too many")
            await sink(await self._read(size))

    async def _drawing(self) -> Drawing:
        box, width, height, size = DRAWING.unpack(await self._read(DRAWING.size))
        if size > MOST_DRAWN_BYTES:
            raise ValueError("too large a drawing")
        return Drawing(box, width, height, await self._read(size))

    async def _read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            block = await loop.sock_recv(self._socket, size - len(data))
            if not block:
                raise ConnectionResetError("the process is gone")
            data += block
        return bytes(data)


def _check(answer: Answer, order: Order) -> None:
    """Raises:
    ValueError: it is none to this order.
    """
    PictureFormat(answer.format)
    if tuple(drawing.box for drawing in answer.drawings) != order.boxes:
        raise ValueError("other drawings than were asked for")
