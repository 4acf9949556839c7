"""Small chunks and files, written and synced by a process beside ours. Our side of it; ``process.py`` is the other.

Writing 64 KiB takes three system calls. In a thread each of them gives the interpreter's lock away and has to get it
back from the event loop, which costs both of them more than the work itself. In a process of its own it costs the
loop one copy into shared memory. See docs/decisions/0007.

Where SQLite is the ledger, the process also records what it wrote (``chunk_intake.py``, ``file_intake.py``): that saves
a second trip, and a thread that competes for the same lock.

It is an accelerator, started when many chunks come at once and never needed: what it does not do, or had under way
when it died, threads do (the same bytes may be written twice).
"""

import asyncio
import logging
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.outbound.volume.staged_files import KEPT_SECONDS
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.orders import (
    NO_NOTE,
    ORDER,
    OUTCOME,
    SEAT_BYTES,
    SEATS,
    Kind,
    Note,
    Order,
    Outcome,
)
from domain.errors import StorageUnavailable
from domain.ids import UploadId

_MANY = 4
_READ_BYTES = 64 * 1024
_PLAIN = ("adapters.outbound.volume.writing.process",)
_ROOT = Path(__file__).resolve().parents[__name__.count(".")]  # where our top package lies, in a checkout or installed
_START = """import importlib, sys
sys.path.append(sys.argv.pop(1))
importlib.import_module(sys.argv.pop(1)).main()"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for, in seconds."""

    order: float = 1.0
    """An order is begun by then or not at all: a lease that was safe when it was asked is so for 2 s more
    (ports/upload_lock.py)."""
    answer: float = 5.0
    """A process that has orders and says nothing is ended."""
    seat: float = 30.0
    end: float = 5.0
    """The process's own; then it is killed."""
    rest: float = 60.0
    """From one start to the next."""


PATIENCE = Patience()


class ChunkWriter:
    """Lives on the event loop; ``close`` it at the end.

    ``recorder``: the program of a process that keeps a ledger, too, which is a module and arguments of its own.
    ``kept_seconds``: as the storage's. ``on_commit``: told how many orders shared one.
    """

    def __init__(
        self,
        volume: Volume,
        durability: Durability,
        recorder: Sequence[str] | None = None,
        *,
        patience: Patience = PATIENCE,
        kept_seconds: float = KEPT_SECONDS,
        on_commit: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._volume = volume
        self._durability = durability
        self._recorder = recorder
        self._patience = patience
        self._kept_seconds = kept_seconds
        self._on_commit = on_commit
        self._process: _Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._not_before = 0.0
        self._is_closed = not hasattr(os, "memfd_create")
        self.seat: AbstractAsyncContextManager[None] = _Seats(SEATS, patience.seat)
        """To be in while something is written: who is finds room in the memory. Entering it may raise
        StorageUnavailable."""

    @property
    def is_ready(self) -> bool:
        return self._process is not None

    @property
    def is_recording(self) -> bool:
        """Whether it is ready, and records what comes with a note."""
        return self._process is not None and self._recorder is not None

    def consider(self, under_way: int) -> None:
        """Start, soon, if so many small writes under way are many."""
        if under_way < _MANY or self._process or self._starting or self._is_closed:
            return
        if time.monotonic() >= self._not_before:
            self._starting = asyncio.create_task(self._start())

    async def write(self, upload_id: UploadId, at: int, data: bytes, note: Note = NO_NOTE) -> bool:
        """Write at most 256 KiB; whether they are durable now. If not, it is the caller's to write them.

        With a ``note`` it is also whether their receipt is committed; if not, it may be committed all the same.

        The caller has a ``seat`` and has just made sure of its lease. A cancelled one too goes on only when the work is
        done.

        Raises:
            StorageUnavailable: the medium failed.
        """
        return await self._order(Order(Kind.CHUNK, upload_id, at, data, note)) is not None

    async def write_whole(self, upload_id: UploadId, data: bytes, rows: bytes) -> int | None:
        """Make ``data`` a durable blob and then, where it is recording, commit ``rows``; None if that is not done.

        With rows it is the number of the first event, and None may be committed all the same. As for ``write``, the
        caller has a ``seat``; data and rows together find room in it (``SEAT_BYTES``).

        Raises:
            StorageUnavailable: the medium failed.
        """
        return await self._order(Order(Kind.FILE, upload_id, 0, data, NO_NOTE, rows))

    async def _order(self, order: Order) -> int | None:
        if self._process is None:
            return None
        outcome, number = await self._process.order(order)
        if outcome == Outcome.FAILED:
            raise StorageUnavailable("storage failed")
        return number if outcome == Outcome.DONE else None

    async def close(self) -> None:
        """Return once its process is gone; what that had under way is done, or the caller's to do."""
        self._is_closed = True
        self._let_go()
        if waited := [*self._ending, *([self._starting] if self._starting else [])]:
            await asyncio.wait(waited)

    async def _start(self) -> None:
        self._not_before = time.monotonic() + self._patience.rest
        loop = asyncio.get_running_loop()
        try:
            process = await loop.run_in_executor(None, self._launch)
            if self._is_closed:
                process.let_go()
                await process.end()
            else:
                self._process = process
                process.listen(loop, self._on_death)
        except OSError as error:
            log.warning("small chunks are written by threads, for their process does not start: %s", error)
        finally:
            self._starting = None

    def _launch(self) -> "_Process":
        told = ["--root", str(self._volume.root), "--durability", self._durability.value]
        program = [*(self._recorder or _PLAIN), *told, "--kept-seconds", str(self._kept_seconds)]
        # Without a recorder what it does together is no commit.
        return _Process(program, self._patience, self._on_commit if self._recorder else lambda _: None)

    def _on_death(self) -> None:
        log.warning("the process that writes small chunks has died; threads write them meanwhile")
        self._let_go()

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.let_go()
            ending = asyncio.create_task(process.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


class _Seats(asyncio.Semaphore):
    """First come, first served, and nobody waits for ever."""

    def __init__(self, count: int, patience: float) -> None:
        super().__init__(count)
        self._patience = patience

    async def acquire(self) -> Literal[True]:
        if not self.locked():
            return await super().acquire()  # at once: a timer would cost more
        try:
            async with asyncio.timeout(self._patience):
                return await super().acquire()
        except TimeoutError:
            raise StorageUnavailable("storage is busy") from None


class _Process:
    """The process itself, the memory that both share, and the orders that are under way."""

    def __init__(self, program: Sequence[str], patience: Patience, on_commit: Callable[[int], None]) -> None:
        self._patience = patience
        self._on_commit = on_commit
        memory_fd = os.memfd_create("longshore-chunks")
        ours, its = socket.socketpair()
        try:
            os.ftruncate(memory_fd, SEATS * SEAT_BYTES)
            self._shared = mmap.mmap(memory_fd, SEATS * SEAT_BYTES)
            self._memory = memoryview(self._shared)
            ours_to_it = ["--memory", str(memory_fd), "--orders", str(its.fileno()), "--parent", str(os.getpid())]
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-P", "-c", _START, str(_ROOT), *program, *ours_to_it],
                pass_fds=(memory_fd, its.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(memory_fd)
            its.close()
        ours.setblocking(False)
        self._socket = ours
        self._free = list(range(SEATS - 1, -1, -1))  # the last one used comes first: it is in the cache
        self._under_way: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._orders = bytearray()
        self._rest = b""
        self._heard_at = 0.0
        self._watching: asyncio.TimerHandle | None = None

    def listen(self, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> None:
        self._loop = loop
        self._on_death = on_death
        loop.add_reader(self._socket.fileno(), self._on_outcomes)

    async def order(self, order: Order) -> tuple[int, int]:
        """An ``Outcome``, and the number that came with it."""
        if not self._free:
            return Outcome.REFUSED, 0
        seat = self._free.pop()
        start = seat * SEAT_BYTES
        size, rows = len(order.data), order.rows
        self._memory[start : start + size] = order.data
        if rows:
            self._memory[start + size : start + size + len(rows)] = rows
        if not self._orders:
            self._loop.call_soon(self._send)  # those of one turn of the loop go together
        now = time.monotonic()
        if not self._under_way:
            self._heard_at = now  # it is silent from now on, not since its last answer
        if self._watching is None:
            self._watching = self._loop.call_later(self._patience.answer, self._watch)
        deadline = now + self._patience.order
        under = (order.upload_id.encode(), order.note.token.encode(), order.note.crc64)
        self._orders += ORDER.pack(order.kind, seat, size, len(rows), order.at, deadline, *under)
        ordered: asyncio.Future[tuple[int, int]] = self._loop.create_future()
        self._under_way[seat] = ordered
        try:
            return await ordered
        except asyncio.CancelledError:
            if self._under_way.get(seat) is ordered:  # else it is over, and the seat may be somebody else's
                over = self._under_way[seat] = self._loop.create_future()
                while not over.done():
                    with suppress(asyncio.CancelledError):  # once is enough
                        await asyncio.wait([over])
            raise

    def let_go(self) -> None:
        """Ask it for no more: it does what it was asked for, and ends."""
        with suppress(AttributeError, OSError):
            self._loop.remove_reader(self._socket.fileno())
        if self._watching is not None:
            self._watching.cancel()
        self._socket.close()
        self._orders.clear()

    async def end(self) -> None:
        """Return once it is gone. Only then are orders that it has not answered refused: it might still do them."""
        await asyncio.get_running_loop().run_in_executor(None, self._wait)
        for ordered in self._under_way.values():
            if not ordered.done():
                ordered.set_result((Outcome.REFUSED, 0))
        self._under_way.clear()
        self._memory.release()
        self._shared.close()

    def _wait(self) -> None:
        try:
            self._process.wait(self._patience.end)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self) -> None:
        orders, self._orders = self._orders, bytearray()
        try:
            sent = self._socket.send(orders)
        except OSError:
            sent = 0
        if sent < len(orders):  # what fits in the memory fits in the socket: the process is gone
            self._on_death()

    def _watch(self) -> None:
        """End a process that is asked and never answers: whoever waits goes on once it is gone."""
        self._watching = None
        if not self._under_way:
            return
        left = self._heard_at + self._patience.answer - time.monotonic()
        if left > 0:
            self._watching = self._loop.call_later(left, self._watch)
        else:
            self._process.kill()

    def _on_outcomes(self) -> None:
        try:
            told = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            self._on_death()
            return
        self._heard_at = time.monotonic()
        told = self._rest + told
        whole = len(told) - len(told) % OUTCOME.size
        self._rest = told[whole:]
        self._on_commit(whole // OUTCOME.size)  # those of a group are told together
        for seat, *outcome in OUTCOME.iter_unpack(told[:whole]):
            self._free.append(seat)
            ordered = self._under_way.pop(seat)
            if not ordered.done():
                ordered.set_result((outcome[0], outcome[1]))
