"""Small chunks, written and synced by a process beside ours. Our side of it; writer_process.py is the other.

Writing 64 KiB takes three system calls. In a thread each of them gives the interpreter's lock away and has to get it
back from the event loop, which costs both of them more than the work itself. In a process of its own it costs the
loop one copy into shared memory. See docs/decisions/0007.

Where SQLite is the ledger, the process also records what it wrote (chunk_intake.py): that saves a second round, and
a thread that competes for the same lock.

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
from pathlib import Path
from typing import Literal

from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.orders import NO_NOTE, ORDER, OUTCOME, SLOT_BYTES, SLOTS, Note, Outcome
from domain.errors import StorageUnavailable
from domain.ids import UploadId

_MANY = 4
# A lease that was safe when it was asked is so for 2 s more (ports/upload_lock.py).
_DEADLINE_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_QUEUE_SECONDS = 30.0
_REST_SECONDS = 60.0
_END_SECONDS = 5.0
_READ_BYTES = 64 * 1024
_PLAIN = ("adapters.outbound.volume.writing.process",)
_ROOT = Path(__file__).resolve().parents[4]
_START = """import importlib, sys
sys.path.insert(0, sys.argv.pop(1))
importlib.import_module(sys.argv.pop(1)).main()"""

log = logging.getLogger(__name__)


class ChunkWriter:
    """Lives on the event loop; ``close`` it at the end.

    ``recorder``: the program of a process that keeps a ledger, too, which is a module and arguments of its own.
    """

    def __init__(self, volume: Volume, durability: Durability, recorder: Sequence[str] | None = None) -> None:
        self._volume = volume
        self._durability = durability
        self._recorder = recorder
        self._process: _Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._is_closed = not hasattr(os, "memfd_create")
        self.slot: AbstractAsyncContextManager[None] = _Slots(SLOTS)
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

        The caller is in ``slot`` and has just made sure of its lease. A cancelled one too goes on only when the work is
        done.

        Raises:
            StorageUnavailable: the medium failed.
        """
        if self._process is None:
            return False
        outcome = await self._process.order(upload_id, at, data, note)
        if outcome == Outcome.FAILED:
            raise StorageUnavailable("storage failed")
        return outcome == Outcome.DONE

    def close(self) -> None:
        self._is_closed = True
        if self._process is not None:
            self._process.close()
            self._process = None

    async def _start(self) -> None:
        self._not_before = time.monotonic() + _REST_SECONDS
        loop = asyncio.get_running_loop()
        try:
            process = await loop.run_in_executor(None, self._launch)
        except OSError as error:
            log.warning("small chunks are written by threads, for their process does not start: %s", error)
            return
        finally:
            self._starting = None
        if self._is_closed:
            process.close()
        else:
            self._process = process
            process.listen(loop, self._on_death)

    def _launch(self) -> "_Process":
        return _Process(
            [*(self._recorder or _PLAIN), "--root", str(self._volume.root), "--durability", self._durability.value]
        )

    def _on_death(self) -> None:
        log.warning("the process that writes small chunks has died; threads write them meanwhile")
        if self._process is not None:
            self._process.close()
            self._process = None


class _Slots(asyncio.Semaphore):
    """First come, first served, and nobody waits for ever."""

    async def acquire(self) -> Literal[True]:
        if not self.locked():
            return await super().acquire()  # at once: a timer would cost more
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                return await super().acquire()
        except TimeoutError:
            raise StorageUnavailable("storage is busy") from None


class _Process:
    """The process itself, the memory that both share, and the orders that are under way."""

    def __init__(self, program: Sequence[str]) -> None:
        memory_fd = os.memfd_create("longshore-chunks")
        ours, its = socket.socketpair()
        try:
            os.ftruncate(memory_fd, SLOTS * SLOT_BYTES)
            self._memory = memoryview(mmap.mmap(memory_fd, SLOTS * SLOT_BYTES))
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
        self._free = list(range(SLOTS - 1, -1, -1))  # the last one used comes first: it is in the cache
        self._under_way: dict[int, asyncio.Future[int]] = {}
        self._orders = bytearray()
        self._rest = b""
        self._heard_at = 0.0
        self._watching: asyncio.TimerHandle | None = None

    def listen(self, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> None:
        self._loop = loop
        self._on_death = on_death
        loop.add_reader(self._socket.fileno(), self._on_outcomes)

    async def order(self, upload_id: UploadId, at: int, data: bytes, note: Note) -> int:
        """An ``Outcome``."""
        if not self._free:
            return Outcome.REFUSED
        slot = self._free.pop()
        start = slot * SLOT_BYTES
        self._memory[start : start + len(data)] = data
        if not self._orders:
            self._loop.call_soon(self._send)  # those of one turn of the loop go together
        now = time.monotonic()
        if not self._under_way:
            self._heard_at = now  # it is silent from now on, not since its last answer
        if self._watching is None:
            self._watching = self._loop.call_later(_PATIENCE_SECONDS, self._watch)
        deadline = now + _DEADLINE_SECONDS
        self._orders += ORDER.pack(slot, len(data), at, deadline, upload_id.encode(), note.token.encode(), note.crc64)
        ordered: asyncio.Future[int] = self._loop.create_future()
        self._under_way[slot] = ordered
        try:
            return await ordered
        except asyncio.CancelledError:
            if self._under_way.get(slot) is ordered:  # else it is over, and the slot may be somebody else's
                over = self._under_way[slot] = self._loop.create_future()
                while not over.done():
                    with suppress(asyncio.CancelledError):  # once is enough
                        await asyncio.wait([over])
            raise

    def close(self) -> None:
        """Let it end what is under way, and end; orders that it has not answered are refused."""
        with suppress(AttributeError, OSError):
            self._loop.remove_reader(self._socket.fileno())
        if self._watching is not None:
            self._watching.cancel()
        self._socket.close()
        self._orders.clear()
        for ordered in self._under_way.values():
            if not ordered.done():
                ordered.set_result(Outcome.REFUSED)
        self._under_way.clear()
        try:
            self._process.wait(_END_SECONDS)
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
        left = self._heard_at + _PATIENCE_SECONDS - time.monotonic()
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
        for slot, outcome in OUTCOME.iter_unpack(told[:whole]):
            self._free.append(slot)
            ordered = self._under_way.pop(slot)
            if not ordered.done():
                ordered.set_result(outcome)
