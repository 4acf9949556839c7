"""What the suites of ports/chunk_storage.py and ports/blob_storage.py are given, and do with it again and again."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from domain.byte_range import ByteRange, ReceivedRanges
from domain.ids import BlobKey, UploadId
from ports.blob_storage import BlobStorage
from ports.chunk_storage import ChunkStorage
from tests.support.sources import source_of


@dataclass
class Storages:
    """A chunk storage and the blob storage that its sealed uploads turn up in, as one process holds them."""

    chunks: ChunkStorage
    blobs: BlobStorage

    async def write(self, upload_id: UploadId, data: bytes, *, at: int = 0, announced: bool = True) -> ReceivedRanges:
        source = source_of(data, announced=announced)
        received = ReceivedRanges()
        async for extent in self.chunks.write(upload_id, at=at, source=source, limit=None, hasher=None):
            received.add(extent)
        return received

    async def sealed(self, upload_id: UploadId, size: int) -> bytes:
        return await self.read(await self.chunks.seal(upload_id, size=size), size)

    async def read(self, key: BlobKey, size: int) -> bytes:
        blob = await self.blobs.open(key)
        try:
            return b"".join([block async for block in blob.blocks(ByteRange(0, size))]) if size else b""
        finally:
            await blob.close()


StorageFactory = Callable[[], AbstractAsyncContextManager[Storages]]
"""One place to keep bytes, fresh and empty for each test. Each call opens it anew, as one more process would: what an
earlier one stored is there."""


class StorageSuite:
    """Wants a fixture ``factory``, a ``StorageFactory``."""

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def storages(self, factory: StorageFactory) -> AsyncIterator[Storages]:
        async with factory() as storages:
            yield storages
