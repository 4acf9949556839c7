"""A blob is nobody's to write: not even those who had its file open before it was sealed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from domain.ids import UploadId
from tests.support.sources import source_of

A = UploadId("a" * 32)
_WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
print("open", flush=True)
sys.stdin.readline()
os.pwrite(fd, b"LATE", 2)
os.fsync(fd)
print("written", flush=True)
"""


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    volume = Volume(tmp_path / "volume")
    volume.prepare()
    return volume


@pytest.fixture
def chunks(volume: Volume) -> Iterator[VolumeChunkStorage]:
    threads = Threads("test-volume")
    yield VolumeChunkStorage(volume, threads)
    threads.close()


async def write(chunks: VolumeChunkStorage, data: bytes) -> None:
    async for _ in chunks.write(A, at=0, source=source_of(data), limit=None, hasher=None):
        pass


async def test_a_process_that_comes_back_writes_nothing_into_the_blob(
    volume: Volume, chunks: VolumeChunkStorage
) -> None:
    await write(chunks, b"0123456789")
    path = str(volume.staged_path(A))

    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdin and writer.stdout and await writer.stdout.readline() == b"open\n"
    key = await chunks.seal(A, size=10, fenced=True)
    writer.stdin.write(b"\n")
    assert await writer.stdout.readline() == b"written\n"
    await writer.wait()
    assert volume.blob_path(key).read_bytes() == b"0123456789"
    assert await chunks.seal(A, size=10, fenced=True) == key
    assert [path.name for path in volume.blob_path(key).parent.iterdir()] == [key]


async def test_sealing_after_a_crash_looks_for_writers_too(volume: Volume, chunks: VolumeChunkStorage) -> None:
    await write(chunks, b"0123456789")
    fd = os.open(
        volume.blob_path(await chunks.seal(A, size=10, fenced=True)), os.O_WRONLY
    )  # as if the crash had come in between
    key = await chunks.seal(A, size=10, fenced=True)
    os.pwrite(fd, b"LATE", 2)
    os.close(fd)
    assert volume.blob_path(key).read_bytes() == b"0123456789"


async def test_without_writers_the_blob_is_the_very_file(volume: Volume, chunks: VolumeChunkStorage) -> None:
    await write(chunks, b"0123456789")
    inode = volume.staged_path(A).stat().st_ino
    assert volume.blob_path(await chunks.seal(A, size=10, fenced=True)).stat().st_ino == inode
