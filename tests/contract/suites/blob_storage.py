"""What every blob storage promises (ports/blob_storage.py)."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from domain.byte_range import ByteRange
from domain.checksum import crc64nvme
from domain.errors import FileGone
from domain.ids import BlobKey, UploadId
from ports.blob_storage import Blob
from tests.contract.suites.storages import StorageFactory, Storages, StorageSuite

A = UploadId("a" * 32)
DATA = os.urandom(600 * 1024)
PLACED = BlobKey("images/7d444840-9dc0-11d1-b245-5ffdce74fad2/a-b/original/0_x.jpg")
PUT_KEYS = ["c" * 32, PLACED]


class Content(Blob):
    """``DATA``; ``fd`` has it, too."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    @property
    def size(self) -> int:
        return len(DATA)

    @property
    def fd(self) -> int | None:
        return self._fd

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        for at in range(wanted.start, wanted.end, 100_000):
            yield DATA[at : min(at + 100_000, wanted.end)]

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        """It is the caller's."""


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

    # --- content that is at hand

    @pytest.mark.parametrize("name", PUT_KEYS)
    @pytest.mark.parametrize("data", [b"x", DATA], ids=["a byte", "more than a block"])
    async def test_what_was_put_is_there_with_its_checksum(self, storages: Storages, name: str, data: bytes) -> None:
        key = BlobKey(name)
        assert await storages.blobs.put(key, data) == crc64nvme(data)
        assert await storages.read(key, len(data)) == data

    @pytest.mark.parametrize("with_fd", [True, False])
    async def test_a_blobs_bytes_can_be_put_under_another_name(
        self, storages: Storages, tmp_path: Path, with_fd: bool
    ) -> None:
        path = tmp_path / "content"
        path.write_bytes(DATA)
        with path.open("rb") as file:
            content = Content(file.fileno() if with_fd else None)
            assert await storages.blobs.put(PLACED, content) == crc64nvme(DATA)
        assert await storages.read(PLACED, len(DATA)) == DATA

    async def test_one_blob_can_be_put_in_the_place_of_another(self, storages: Storages, key: BlobKey) -> None:
        blob = await storages.blobs.open(key)
        await storages.blobs.put(PLACED, blob)
        await blob.close()
        assert await storages.read(PLACED, len(DATA)) == DATA

    async def test_what_is_put_again_replaces_what_was_there_whole(
        self, storages: Storages, factory: StorageFactory
    ) -> None:
        for data in (DATA, b"short", DATA[::-1]):
            await storages.blobs.put(PLACED, data)
            async with factory() as other:
                assert await other.read(PLACED, len(data)) == data

    async def test_what_was_put_is_deleted_as_any_blob(self, storages: Storages) -> None:
        neighbour = BlobKey(f"{PLACED}-of-the-same-folder")
        for name in (PLACED, neighbour, PLACED):
            await storages.blobs.put(name, DATA)
        assert await storages.blobs.delete(PLACED)
        with pytest.raises(FileGone):
            await storages.blobs.open(PLACED)
        assert await storages.read(neighbour, len(DATA)) == DATA
        assert await storages.blobs.delete(neighbour)
        await storages.blobs.put(PLACED, b"again")
        assert await storages.read(PLACED, 5) == b"again"

    async def test_of_what_was_put_nothing_is_staged(self, storages: Storages) -> None:
        await storages.blobs.put(PLACED, DATA)
        assert [staged async for staged in storages.chunks.staged()] == []
