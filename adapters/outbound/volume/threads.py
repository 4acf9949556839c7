"""Few threads for what blocks, and what becomes of a caller that is cancelled meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")

# One disk serves a few concurrent fdatasyncs faster than one after the other: they share its journal commits.
_THREADS = 8


class Threads:
    """``close`` them at the end; then nothing begins any more."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result], *, undo: Callable[[Result], object] = lambda _: None) -> Result:
        """Run ``work`` in a thread. A cancelled caller's work is done all the same; then ``undo`` gets its result."""
        job = self.begin(work)
        try:
            await _done(job)
        except asyncio.CancelledError:
            job.add_done_callback(partial(_undo, undo))
            raise
        return job.result()

    async def run_to_end(self, work: Callable[[], Result]) -> Result:
        """As ``run``, but a cancelled caller too goes on only when the work is done.

        For what is written: once its caller has given the lease back, nothing of it may come late.
        """
        job = self.begin(work)
        try:
            await _done(job)
        except asyncio.CancelledError:
            while not job.done():
                with suppress(asyncio.CancelledError):  # once is enough
                    await _done(job)
            raise
        return job.result()

    def begin(self, work: Callable[[], Result]) -> Future[Result]:
        """Have ``work`` done, whether or not anybody waits for it."""
        return self._executor.submit(work)

    def close(self) -> None:
        """Return once every job has been done."""
        self._executor.shutdown()


async def _done(job: Future[Result]) -> None:
    """Return once ``job`` is done; who is cancelled here leaves it alone, as asyncio's own way would not."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def tell(_: Future[Result]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, done)

    job.add_done_callback(tell)
    await done


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _undo(undo: Callable[[Result], object], job: Future[Result]) -> None:
    if job.exception() is None:
        undo(job.result())
