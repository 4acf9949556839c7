"""Runs small blocking jobs in few threads and wakes the event loop once for all that ended together."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

Result = TypeVar("Result")

# One disk serves a few concurrent fdatasyncs faster than one after the other: they share its journal commits.
_THREADS = 8
_JOBS_A_ROUND = 8


@dataclass(slots=True)
class _Job(Generic[Result]):
    work: Callable[[], Result]
    future: asyncio.Future[Result]
    undo: Callable[[Result], object] | None = None
    result: Result | None = None
    error: BaseException | None = None
    is_over: bool = False
    over: asyncio.Future[None] | None = None

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 -- raised again where it is awaited
            self.error = error

    def settle(self) -> None:
        self.is_over = True
        if self.over is not None and not self.over.done():
            self.over.set_result(None)
        if self.future.cancelled():
            if self.undo and self.error is None:
                self.undo(cast(Result, self.result))
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast(Result, self.result))

    async def wait(self) -> None:
        """Return once the work is done, though its caller was cancelled."""
        self.over = asyncio.get_running_loop().create_future()
        while not self.is_over:
            with suppress(asyncio.CancelledError):  # once is enough
                await asyncio.wait([self.over])


class Rounds:
    """A thread hop costs as much as writing 64 KiB; jobs that wait at the same time share one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[_Job[Any]] = deque()
        self._something_waits = threading.Condition()
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def run(self, work: Callable[[], Result], *, undo: Callable[[Result], object] | None = None) -> Result:
        """Run ``work`` in a thread. A cancelled caller's work is done all the same; then ``undo`` gets its result."""
        return await self.begin(work, undo).future

    async def run_to_end(self, work: Callable[[], Result]) -> Result:
        """As ``run``, but a cancelled caller too goes on only when the work is done.

        For what is written: once its caller has given the lease back, nothing of it may come late.
        """
        job = self.begin(work)
        try:
            return await job.future
        except asyncio.CancelledError:
            await job.wait()
            raise

    def begin(self, work: Callable[[], Result], undo: Callable[[Result], object] | None = None) -> _Job[Result]:
        """Have ``work`` done, whether or not anybody waits for it."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), undo)
        with self._something_waits:
            if self._closed:
                raise RuntimeError("these rounds are over")
            self._waiting.append(job)
            if self._idle:
                self._something_waits.notify()
            elif len(self._threads) < _THREADS:
                self._start_thread(loop)
        return job

    def close(self) -> None:
        """Return once every job has been done."""
        with self._something_waits:
            self._closed = True
            self._something_waits.notify_all()
        for thread in self._threads:
            thread.join()

    def _start_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        thread = threading.Thread(target=self._work, args=(loop,), name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while jobs := self._take():
            for job in jobs:
                job.run()
            try:
                loop.call_soon_threadsafe(_settle, jobs)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def _take(self) -> list[_Job[Any]]:
        with self._something_waits:
            self._idle += 1
            while not self._waiting and not self._closed:
                self._something_waits.wait()
            self._idle -= 1
            share = max(1, min(_JOBS_A_ROUND, len(self._waiting) // (self._idle + 1)))
            return [self._waiting.popleft() for _ in range(min(share, len(self._waiting)))]


def _settle(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()
