"""Bytes that wait in a nameless file on a disk, gone with the process. Contract: tests/contract/test_spool.py."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageFull, StorageUnavailable
from ports.spool import Spool, Spooled

_BLOCK_BYTES = 256 * 1024


class DiskSpool(Spool):
    """``folder`` is there; what is spooled has no name in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Spooled]:
        with _translated():
            file = await asyncio.to_thread(_open, self._folder)
        spooled = DiskSpooled(file)
        try:
            yield spooled
        finally:
            await spooled.close()


class DiskSpooled(Spooled):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def fd(self) -> int | None:
        return self._file.fileno()

    async def append(self, data: bytes) -> None:
        def write() -> None:
            view = memoryview(data)
            at = self._size
            while view:
                written = os.pwrite(self._file.fileno(), view, at)
                view, at = view[written:], at + written

        with _translated():
            writing = asyncio.ensure_future(asyncio.to_thread(write))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])  # the descriptor is its until then
                raise
        self._size += len(data)

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        at = wanted.start
        while at < wanted.end:
            block = await asyncio.to_thread(os.pread, self._file.fileno(), min(_BLOCK_BYTES, wanted.end - at), at)
            if not block:
                raise FileGone("fewer bytes were spooled")
            yield block
            at += len(block)

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)  # to free what a large one held takes a moment


def _open(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=0, dir=folder)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no room is left for a spool") from error
        raise StorageUnavailable("a spool failed") from error
