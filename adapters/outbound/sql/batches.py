"""Group commit: what waits while one batch is being written goes together in the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """``flush`` gets the items that wait, at most ``limit``, and returns one result for each.

    One flush runs at a time. If it fails, all who wait for it get its error. Who stops waiting harms nobody:
    the item is written with the others.
    """

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, limit: int) -> None:
        self._flush = flush
        self._limit = limit
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def submit(self, item: T) -> "asyncio.Future[R]":
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, result))
        if self._task is None:
            # The task starts after this turn of the loop: whoever submits in the same turn goes with us.
            self._task = loop.create_task(self._flush_all())
        return result

    async def close(self) -> None:
        """Return once everything submitted has been written or has failed."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
                await self._flush_batch(batch)
        finally:
            self._task = None
            for _, result in self._waiting:  # only when this task was cancelled from outside
                result.cancel()
            self._waiting.clear()

    async def _flush_batch(self, batch: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            values = await self._flush([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, result in batch:
                result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 -- it is raised where the items came from
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)
            return
        for (_, result), value in zip(batch, values, strict=True):
            if not result.done():
                result.set_result(value)
