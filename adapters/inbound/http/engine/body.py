"""A request's body as the core's byte source: fed by the connection, drained by the use case, never piled up."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

from adapters.inbound.common.writing import write_blocks
from domain.checksum import Buffer
from ports.byte_source import ByteSource

# Beyond this the connection is not read from until the core has taken some: TCP slows the client down.
_HIGH_WATER_BYTES = 1024 * 1024
# Writing is done in a thread; a hop for less than this costs more than the write.
_WORTH_A_HOP_BYTES = 512 * 1024
_GATHER_SECONDS = 0.02


class Body(ByteSource):
    """What an exchange and its watchdog have to know of a body, besides its bytes."""

    received: int
    """Bytes that have come from the client."""

    @property
    @abstractmethod
    def is_awaited(self) -> bool:
        """Whether the core waits for the client right now."""

    @abstractmethod
    def drop(self) -> None:
        """The request is over: nobody reads any more, whatever still comes."""


class RequestBody(Body):
    """Lives on the event loop; only ``pour`` uses a thread, and waits for it."""

    def __init__(self, length: int | None, executor: Executor) -> None:
        self._length = length
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._blocks: deque[bytes] = deque()
        self._held = 0
        self._ended = length == 0
        self._cut = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._enough = 1
        self.wanted: asyncio.Future[None] = self._loop.create_future()
        """Done once there is a reason to read from the connection."""
        self.received = 0

    # The core's side

    @property
    def length(self) -> int | None:
        return self._length

    @property
    def is_cut(self) -> bool:
        return self._cut

    async def read(self, limit: int) -> bytes:
        await self._wait_for(1)
        return self._take_block(limit) if self._held else b""

    async def gather(self, limit: int) -> bytes:
        await self._wait_for(limit)
        blocks = self._take(limit)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def pour(
        self, fd: int, *, at: int, limit: int, seconds: float, observe: Callable[[Buffer], None] | None
    ) -> int:
        deadline = self._loop.time() + seconds
        poured = 0
        while poured < limit and (not poured or self._loop.time() < deadline):
            await self._wait_for(
                min(_WORTH_A_HOP_BYTES, limit - poured), _GATHER_SECONDS, until=deadline if poured else None
            )
            blocks = self._take(limit - poured)
            if not blocks:
                break
            poured += await write_blocks(self._executor, fd, blocks, at + poured, observe)
        return poured

    def stop(self) -> None:
        # Also what the connection calls when it is gone: a body that has arrived whole stays whole.
        self._end(cut=True)

    # The connection's side

    def feed(self, data: bytes) -> asyncio.Future[None] | None:
        """Take a block in; wait for the result, if there is one, before feeding more."""
        self.received += len(data)
        if self._ended:
            return None  # nobody wants it any more
        self._blocks.append(data)
        self._held += len(data)
        if self._held >= self._enough:
            self._wake_reader()
        if self._held < _HIGH_WATER_BYTES:
            return None
        self._drained = self._loop.create_future()
        return self._drained

    def drop(self) -> None:
        self._want()
        self._end(cut=True)
        self._blocks.clear()
        self._held = 0

    def feed_eof(self) -> None:
        self._end(cut=False)

    @property
    def is_awaited(self) -> bool:
        return self._reader is not None

    def _end(self, *, cut: bool) -> None:
        if not self._ended:
            self._ended, self._cut = True, cut
        self._wake_reader()
        self._wake_feeder()

    def _want(self) -> None:
        if not self.wanted.done():
            self.wanted.set_result(None)

    async def _wait_for(self, size: int, patience: float | None = None, *, until: float | None = None) -> None:
        """Return once ``size`` bytes are held or the body has ended.

        After ``patience`` seconds one byte is enough, from ``until`` on none is needed.
        """
        self._want()
        self._enough = min(size, _HIGH_WATER_BYTES)
        if self._held >= self._enough or self._ended:
            return
        alarms = []
        if patience is not None:
            alarms.append(self._loop.call_later(patience, self._be_content_with, 1))
        if until is not None:
            alarms.append(self._loop.call_at(until, self._be_content_with, 0))
        while self._held < self._enough and not self._ended:
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        for alarm in alarms:
            alarm.cancel()

    def _be_content_with(self, size: int) -> None:
        self._enough = min(self._enough, size)
        if self._held >= self._enough:
            self._wake_reader()

    def _take(self, limit: int) -> list[bytes]:
        blocks = []
        while limit and self._held:
            block = self._take_block(limit)
            blocks.append(block)
            limit -= len(block)
        return blocks

    def _take_block(self, limit: int) -> bytes:
        block = self._blocks.popleft()
        if len(block) > limit:
            self._blocks.appendleft(block[limit:])
            block = block[:limit]
        self._held -= len(block)
        if self._held < _HIGH_WATER_BYTES:
            self._wake_feeder()
        return block

    def _wake_reader(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    def _wake_feeder(self) -> None:
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
