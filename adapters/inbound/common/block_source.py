"""A byte source over blocks that come one after the other: parts of a form, files, anything a program can read."""

import asyncio
import math
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor

from domain.checksum import Buffer
from ports.byte_source import ByteSource

_HOP_BYTES = 1024 * 1024


class BlockSource(ByteSource, ABC):
    """Subclasses say where the next block comes from. ``executor``: where ``pour`` writes; None: the loop's own."""

    def __init__(self, *, length: int | None = None, executor: Executor | None = None) -> None:
        self._length = length
        self._executor = executor
        self._rest = b""
        self._ended = False
        self._cut = False

    @abstractmethod
    async def next_block(self) -> bytes:
        """At least 1 byte, or ``b""`` once there are no more.

        Raises:
            BodyCut: the rest will never come.
        """

    @property
    def length(self) -> int | None:
        return self._length

    @property
    def is_cut(self) -> bool:
        return self._cut

    async def read(self, limit: int) -> bytes:
        if not self._rest and not self._ended:
            try:
                self._rest = await self.next_block()
            except BodyCut:
                self._cut = True
            self._ended = not self._rest
        block, self._rest = self._rest[:limit], self._rest[limit:]
        return block

    async def gather(self, limit: int) -> bytes:
        return await self._gather(limit, until=math.inf)

    async def _gather(self, limit: int, *, until: float) -> bytes:
        """Less than ``limit`` also where the next block came after ``until``."""
        loop = asyncio.get_running_loop()
        blocks = []
        while limit and (block := await self.read(limit)):
            blocks.append(block)
            limit -= len(block)
            if loop.time() >= until:
                break
        return b"".join(blocks)

    async def pour(
        self, fd: int, *, at: int, limit: int, seconds: float, observe: Callable[[Buffer], None] | None
    ) -> int:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        poured = 0
        while poured < limit and (not poured or loop.time() < deadline):
            block = await self._gather(min(limit - poured, _HOP_BYTES), until=deadline)
            if not block:
                break
            poured += await write_blocks(self._executor, fd, [block], at + poured, observe)
        return poured

    def stop(self) -> None:
        self._cut = self._cut or not self._ended
        self._ended, self._rest = True, b""


class BodyCut(Exception):
    """The sender is gone, or what it sends makes no sense any more."""


class IterableSource(BlockSource):
    """Blocks from an iterable or an async iterator; for programs that call the use cases themselves."""

    def __init__(self, blocks: Iterable[bytes] | AsyncIterator[bytes], *, length: int | None = None) -> None:
        super().__init__(length=length)
        self._blocks = blocks if isinstance(blocks, AsyncIterator) else _one_by_one(blocks)

    async def next_block(self) -> bytes:
        async for block in self._blocks:
            if block:
                return block
        return b""


async def _one_by_one(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


async def write_blocks(
    executor: Executor | None, fd: int, blocks: list[bytes], at: int, observe: Callable[[Buffer], None] | None
) -> int:
    """Write the blocks from position ``at`` on, in a thread; return their size."""
    writing = asyncio.get_running_loop().run_in_executor(executor, _write, fd, blocks, at, observe)
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])  # the descriptor is the caller's to close, but not under our thread
        raise


def _write(fd: int, blocks: list[bytes], at: int, observe: Callable[[Buffer], None] | None) -> int:
    start = at
    for block in blocks:
        if observe:
            observe(block)
        view = memoryview(block)
        while view:  # pwrite may write less than asked
            written = os.pwrite(fd, view, at)
            view, at = view[written:], at + written
    return at - start
