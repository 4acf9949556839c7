"""What every blob storage promises; run over each adapter."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.byte_range import ByteRange
from domain.errors import FileGone
from domain.ids import BlobKey, UploadId
from tests.support.storages import Storages, storages_for

A = UploadId("a" * 32)
DATA = os.urandom(600 * 1024)


@pytest.fixture(params=["memory", "volume", "s3"])
async def storages(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storages]:
    async for pair in storages_for(request, tmp_path):
        yield pair


@pytest.fixture
async def key(storages: Storages) -> BlobKey:
    await storages.write(A, DATA)
    return await storages.chunks.seal(A, size=len(DATA))


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, len(DATA)), (5, 300_000), (len(DATA) - 1, len(DATA))])
async def test_any_range_can_be_read(storages: Storages, key: BlobKey, start: int, end: int) -> None:
    blob = await storages.blobs.open(key)
    blocks = [block async for block in blob.blocks(ByteRange(start, end))]
    await blob.close()
    assert b"".join(blocks) == DATA[start:end]
    assert max(map(len, blocks)) <= 256 * 1024
    assert blob.size == len(DATA)


async def test_a_local_file_can_be_sent_from_its_descriptor(storages: Storages, key: BlobKey) -> None:
    blob = await storages.blobs.open(key)
    if blob.fd is not None:
        assert os.pread(blob.fd, 10, 5) == DATA[5:15]
    await blob.close()


async def test_reading_past_the_end_says_that_bytes_are_gone(storages: Storages, key: BlobKey) -> None:
    blob = await storages.blobs.open(key)
    with pytest.raises(FileGone):
        async for _ in blob.blocks(ByteRange(0, len(DATA) + 1)):
            pass
    await blob.close()


async def test_an_unknown_blob_is_gone(storages: Storages) -> None:
    with pytest.raises(FileGone):
        await storages.blobs.open(BlobKey("b" * 32))


async def test_a_deleted_blob_is_gone_but_who_reads_it_reads_on(storages: Storages, key: BlobKey) -> None:
    blob = await storages.blobs.open(key)
    await storages.blobs.delete(key)
    await storages.blobs.delete(key)
    assert b"".join([block async for block in blob.blocks(ByteRange(0, len(DATA)))]) == DATA
    await blob.close()
    with pytest.raises(FileGone):
        await storages.blobs.open(key)


async def test_deleting_what_is_not_there_is_done_at_once(storages: Storages, key: BlobKey) -> None:
    for unknown in (BlobKey("b" * 32), BlobKey("aa" + "b" * 30)):
        assert await storages.blobs.delete(unknown)
    assert await storages.read(key, len(DATA)) == DATA
    for _ in range(2):
        assert await storages.blobs.delete(key)


async def test_what_is_deleted_while_it_is_read_is_gone_once_its_readers_are(storages: Storages, key: BlobKey) -> None:
    blobs = [await storages.blobs.open(key) for _ in range(2)]
    await storages.blobs.delete(key)
    for blob in blobs:
        await blob.close()
    assert await storages.blobs.delete(key)
