"""Bytes that wait in memory. Contract: tests/contract/test_spool.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.byte_range import ByteRange
from domain.errors import FileGone
from ports.spool import Spool, Spooled

_BLOCK_BYTES = 256 * 1024


class MemorySpool(Spool):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[Spooled]:
        yield MemorySpooled()


class MemorySpooled(Spooled):
    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def fd(self) -> int | None:
        return None

    async def append(self, data: bytes) -> None:
        self._data += data

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        if wanted.end > len(self._data):
            raise FileGone("fewer bytes were spooled")
        for start in range(wanted.start, wanted.end, _BLOCK_BYTES):
            yield bytes(self._data[start : min(start + _BLOCK_BYTES, wanted.end)])

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        """Nothing is held."""
