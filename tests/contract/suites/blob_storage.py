"""What every blob storage promises (ports/blob_storage.py)."""

import os

import pytest
import pytest_asyncio

from domain.byte_range import ByteRange
from domain.errors import FileGone
from domain.ids import BlobKey, UploadId
from tests.contract.suites.storages import StorageFactory, Storages, StorageSuite

A = UploadId("a" * 32)
DATA = os.urandom(600 * 1024)


class BlobStorageSuite(StorageSuite):
    @pytest_asyncio.fixture
    async def key(self, storages: Storages) -> BlobKey:
        await storages.write(A, DATA)
        return await storages.chunks.seal(A, size=len(DATA))

    @pytest.mark.parametrize(("start", "end"), [(0, 1), (0, len(DATA)), (5, 300_000), (len(DATA) - 1, len(DATA))])
    async def test_any_range_can_be_read(self, storages: Storages, key: BlobKey, start: int, end: int) -> None:
        blob = await storages.blobs.open(key)
        blocks = [block async for block in blob.blocks(ByteRange(start, end))]
        await blob.close()
        assert b"".join(blocks) == DATA[start:end]
        assert max(map(len, blocks)) <= 256 * 1024
        assert blob.size == len(DATA)

    async def test_a_local_file_can_be_sent_from_its_descriptor(self, storages: Storages, key: BlobKey) -> None:
        blob = await storages.blobs.open(key)
        if blob.fd is not None:
            assert os.pread(blob.fd, 10, 5) == DATA[5:15]
        await blob.close()

    async def test_reading_past_the_end_says_that_bytes_are_gone(self, storages: Storages, key: BlobKey) -> None:
        blob = await storages.blobs.open(key)
        with pytest.raises(FileGone):
            async for _ in blob.blocks(ByteRange(0, len(DATA) + 1)):
                pass
        await blob.close()

    async def test_an_unknown_blob_is_gone(self, storages: Storages) -> None:
        with pytest.raises(FileGone):
            await storages.blobs.open(BlobKey("b" * 32))

    async def test_a_deleted_blob_is_gone_but_who_reads_it_reads_on(self, storages: Storages, key: BlobKey) -> None:
        blob = await storages.blobs.open(key)
        await storages.blobs.delete(key)
        await storages.blobs.delete(key)
        assert b"".join([block async for block in blob.blocks(ByteRange(0, len(DATA)))]) == DATA
        await blob.close()
        with pytest.raises(FileGone):
            await storages.blobs.open(key)

    async def test_deleting_what_is_not_there_is_done_at_once(self, storages: Storages, key: BlobKey) -> None:
        for unknown in (BlobKey("b" * 32), BlobKey("aa" + "b" * 30)):
            assert await storages.blobs.delete(unknown)
        assert await storages.read(key, len(DATA)) == DATA
        for _ in range(2):
            assert await storages.blobs.delete(key)

    async def test_what_is_deleted_while_it_is_read_is_gone_once_its_readers_are(
        self, storages: Storages, key: BlobKey
    ) -> None:
        blobs = [await storages.blobs.open(key) for _ in range(2)]
        await storages.blobs.delete(key)
        for blob in blobs:
            await blob.close()
        assert await storages.blobs.delete(key)

    async def test_a_blob_is_there_for_every_process(
        self, storages: Storages, key: BlobKey, factory: StorageFactory
    ) -> None:
        async with factory() as other:
            assert await other.read(key, len(DATA)) == DATA
            assert await other.blobs.delete(key)
        with pytest.raises(FileGone):
            await storages.blobs.open(key)

    async def test_storage_that_is_there_is_well(self, storages: Storages) -> None:
        await storages.blobs.check()
