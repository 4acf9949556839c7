"""Takes a body up in stretches: as many bytes as wanted, or fewer when some time has gone by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ports.byte_source import ByteSource


class Stretches:
    """A read that has been begun is never cut off: what it brings belongs to the next stretch.

    ``seconds``: so old a stretch's first bytes become before it is taken as it is.
    """

    def __init__(self, source: ByteSource, *, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._reading: asyncio.Task[bytes] | None = None

    async def take(self, limit: int) -> bytes:
        """The next stretch, at most ``limit`` bytes; ``b""`` at the body's end."""
        loop = asyncio.get_running_loop()
        blocks: list[bytes] = []
        deadline = loop.time() + self._seconds
        while limit:
            self._reading = self._reading or asyncio.create_task(self._source.read(limit))
            patience = max(0.0, deadline - loop.time()) if blocks else None
            done, _ = await asyncio.wait([self._reading], timeout=patience)
            if not done:
                break
            block, self._reading = self._reading.result(), None
            if not block:
                break
            blocks.append(block)
            limit -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def stretches_of(source: ByteSource, *, seconds: float) -> AsyncIterator[Stretches]:
    stretches = Stretches(source, seconds=seconds)
    try:
        yield stretches
    finally:
        await stretches.close()
