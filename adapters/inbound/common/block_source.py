"""A byte source over blocks that come one after the other: parts of a form, files, anything a program can read."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor

from adapters.inbound.common.writing import write_blocks
from domain.errors import LongshoreError
from ports.byte_source import ByteSource

_HOP_BYTES = 512 * 1024

log = logging.getLogger(__name__)


class BlockSource(ByteSource, ABC):
    """Subclasses say where the next block comes from. ``executor``: where ``pour`` writes; None: the loop's own."""

    def __init__(self, *, length: int | None = None, executor: Executor | None = None) -> None:
        self._length = length
        self._executor = executor
        self._rest = b""
        self._ended = False
        self._cut = False
        self._coming: asyncio.Task[bytes | None] | None = None

    @abstractmethod
    async def next_block(self) -> bytes:
        """At least 1 byte, or ``b""`` once there are no more.

        Raises:
            BodyCut: the rest will never come. Whatever else it raises means the same (a web framework has its own word
                for a client that is gone), but for a LongshoreError, which is raised on.
        """

    @property
    def length(self) -> int | None:
        return self._length

    @property
    def is_cut(self) -> bool:
        return self._cut

    async def read(self, limit: int) -> bytes:
        await self._arrival()
        return self._take(limit)

    async def gather(self, limit: int) -> bytes:
        return await self._gather(limit)

    async def whole(self, limit: int, *, seconds: float) -> bytes | None:
        if self._length is not None and self._length > limit:
            return None
        data = await self._gather(limit + 1, until=asyncio.get_running_loop().time() + seconds, at_least=0)
        if self._ended and not self._cut and not self._rest and len(data) <= limit:
            return data
        self._rest = data + self._rest
        return None

    async def pour(self, fd: int, *, at: int, limit: int, seconds: float, permit: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        poured = 0
        while poured < limit and (not poured or loop.time() < deadline):
            block = await self._gather(min(limit - poured, _HOP_BYTES), until=deadline, at_least=0 if poured else 1)
            if not block:
                break
            poured += await write_blocks(self._executor, fd, [block], at + poured, permit)
        return poured

    def stop(self) -> None:
        self._cut = self._cut or not self._ended
        self._ended, self._rest = True, b""

    async def _gather(self, limit: int, *, until: float | None = None, at_least: int = 1) -> bytes:
        """Less than ``limit`` also where that is all that has come by ``until``; ``at_least`` so much is waited for."""
        loop = asyncio.get_running_loop()
        blocks: list[bytes] = []
        gathered = 0
        while gathered < limit:
            if not await self._arrival(until=until if gathered >= at_least else None):
                break
            block = self._take(limit - gathered)
            if not block:
                break
            blocks.append(block)
            gathered += len(block)
            if until is not None and loop.time() >= until:
                break
        return b"".join(blocks)

    def _take(self, limit: int) -> bytes:
        block, self._rest = self._rest[:limit], self._rest[limit:]
        return block

    async def _arrival(self, *, until: float | None = None) -> bool:
        """Return once there are bytes, or their end; False if neither had come by ``until``."""
        if self._rest or self._ended:
            return True
        if until is None and self._coming is None:
            self._take_in(await self._next_or_cut())
            return True
        if self._coming is None:
            # A block that comes late is the next call's: it must not be lost, so its reading is not broken off.
            self._coming = asyncio.create_task(self._next_or_cut())
        patience = None if until is None else max(until - asyncio.get_running_loop().time(), 0)
        try:
            done, _ = await asyncio.wait({self._coming}, timeout=patience)
        except asyncio.CancelledError:
            self._coming.cancel()
            raise
        if done:
            coming, self._coming = self._coming, None
            self._take_in(coming.result())
        return bool(done)

    async def _next_or_cut(self) -> bytes | None:
        try:
            return await self.next_block()
        except BodyCut:
            return None
        except LongshoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- somebody else's: what had arrived counts all the same
            log.info("a body broke off: %r", error)
            return None

    def _take_in(self, block: bytes | None) -> None:
        if not self._ended:  # else it was stopped meanwhile
            self._cut = block is None
            self._rest = block or b""
            self._ended = not block


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
