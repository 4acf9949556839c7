"""A chunked body: whoever sends it does not say how long it is."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

from adapters.inbound.common.writing import write_blocks
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.wire.chunked import ChunkedDecoder
from adapters.inbound.http.engine.wire.connection import Connection

_BLOCK_BYTES = 256 * 1024
# Writing is done in a thread; a hop for less than this costs more than the write.
_WORTH_A_HOP_BYTES = 512 * 1024
_GATHER_SECONDS = 0.02


class ChunkedBody(Body):
    """What it holds has been asked for, or came in one block with what has."""

    length = None

    def __init__(self, connection: Connection, *, awaits_continue: bool, executor: Executor) -> None:
        super().__init__(connection, awaits_continue=awaits_continue, executor=executor)
        self._decoder = ChunkedDecoder()
        self._blocks: deque[bytes] = deque()
        self._held = 0

    @property
    def has_ended(self) -> bool:
        return self._decoder.has_ended

    async def read(self, limit: int) -> bytes:
        while not self._held and await self._fill():
            pass
        return self._take_block(limit) if self._held else b""

    async def gather(self, limit: int) -> bytes:
        while self._held < limit and await self._fill():
            pass
        blocks = self._take(limit)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def whole(self, limit: int, *, seconds: float) -> bytes | None:
        until = self._loop.time() + seconds
        while self._held <= limit and await self._fill(until=until) and self._loop.time() < until:
            pass
        is_whole = self.has_ended and self.fault is None and self._held <= limit
        return b"".join(self._take(limit)) if is_whole else None

    async def pour(self, fd: int, *, at: int, limit: int, seconds: float, permit: Callable[[], None]) -> int:
        deadline = self._loop.time() + seconds
        poured = 0
        while poured < limit and (not poured or self._loop.time() < deadline):
            await self._fill_for_a_hop(min(_WORTH_A_HOP_BYTES, limit - poured), until=deadline if poured else None)
            blocks = self._take(limit - poured)
            if not blocks:
                break
            poured += await write_blocks(self._executor, fd, blocks, at + poured, permit)
        return poured

    async def discard(self, limit: int) -> None:
        self._is_stopped = False
        while limit > 0 and await self._fill():
            limit -= self._held
            self._blocks.clear()
            self._held = 0

    async def _fill_for_a_hop(self, size: int, *, until: float | None) -> None:
        """Hold ``size`` bytes, or what has come within moments; at ``until`` nothing need have come."""
        while not self._held and await self._fill(until=until):
            if until is not None and self._loop.time() >= until:
                return
        soon = self._loop.time() + _GATHER_SECONDS
        soon = soon if until is None else min(soon, until)
        while self._held < size and self._loop.time() < soon and await self._fill(until=soon):
            pass

    async def _fill(self, *, until: float | None = None) -> bool:
        """Take in a block, or none if none comes in time; False once no more will come."""
        if self.has_ended or self.fault:
            return False
        block = await self._receive(_BLOCK_BYTES, until=until)
        if block is None:
            return True
        if not block:
            self.is_cut = True
            return False
        self.received += len(block)
        data, self._connection.ahead = self._decoder.decode(block)
        self._blocks.extend(data)
        self._held += sum(map(len, data))
        self.fault = self._decoder.fault
        self.is_cut = self.is_cut or self.fault is not None
        return True

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
        return block
