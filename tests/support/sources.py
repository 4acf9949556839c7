"""Byte sources that tests feed by hand."""

import asyncio
from collections.abc import Iterable

from adapters.inbound.common.block_source import BlockSource, BodyCut, IterableSource


def source_of(data: bytes, *, block: int = 64 * 1024, announced: bool = True) -> IterableSource:
    """``data`` in blocks of ``block`` bytes; without ``announced`` as a chunked body comes, of unknown length."""
    blocks = (data[start : start + block] for start in range(0, len(data), block))
    return IterableSource(blocks, length=len(data) if announced else None)


class CutSource(BlockSource):
    """Sends ``blocks``, then the connection is gone, short of ``length``."""

    def __init__(self, blocks: Iterable[bytes], *, length: int | None) -> None:
        super().__init__(length=length)
        self._blocks = iter(blocks)

    async def next_block(self) -> bytes:
        for block in self._blocks:
            return block
        raise BodyCut


class HangingSource(BlockSource):
    """Sends ``blocks``, then nothing more until it is stopped."""

    def __init__(self, blocks: Iterable[bytes], *, length: int | None) -> None:
        super().__init__(length=length)
        self._blocks = iter(blocks)
        self.hangs = asyncio.Event()
        self._stopped = asyncio.Event()

    async def next_block(self) -> bytes:
        for block in self._blocks:
            return block
        self.hangs.set()
        await self._stopped.wait()
        raise BodyCut

    def stop(self) -> None:
        super().stop()
        self._stopped.set()


class StalledSource(BlockSource):
    """Sends blocks, and stalls where one is None until it ``goes_on``."""

    def __init__(self, blocks: list[bytes | None], *, length: int | None = None) -> None:
        super().__init__(length=length)
        self._blocks = blocks
        self.goes_on = asyncio.Event()

    async def next_block(self) -> bytes:
        if self._blocks and self._blocks[0] is None:
            await self.goes_on.wait()
            self._blocks.pop(0)
        return (self._blocks.pop(0) or b"") if self._blocks else b""
