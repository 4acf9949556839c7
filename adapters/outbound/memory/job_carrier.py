"""News of jobs within one process. Contract: tests/contract/test_job_carrier.py."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.ids import JobId
from ports.job_carrier import JobCarrier


class MemoryJobCarrier(JobCarrier):
    """Each news wakes one who waits. That there was some while nobody waited is all that is kept of it: who comes then
    does whatever there is."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._was_missed = False

    def carry(self, job_id: JobId) -> None:
        while self._waiting:
            waits = self._waiting.popleft()
            if not waits.done():
                waits.set_result(None)
                return
        self._was_missed = True

    @asynccontextmanager
    async def news(self, seconds: float) -> AsyncIterator[bool]:
        yield await self._wait(seconds)

    async def check(self) -> None:
        pass

    async def _wait(self, seconds: float) -> bool:
        if self._was_missed:
            self._was_missed = False
            return True
        waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waits)
        try:
            await asyncio.wait({waits}, timeout=seconds)
        finally:
            if not waits.done():
                self._waiting.remove(waits)
        return waits.done()
