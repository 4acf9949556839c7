"""Chunk and blob storages of each technology, for the contract suites and the use cases' tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.outbound.memory.storage import MemoryBlobStorage, MemoryBytes, MemoryChunkStorage
from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.blob_storage import S3BlobStorage
from adapters.outbound.s3.chunk_storage import S3ChunkStorage
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from domain.byte_range import ByteRange, ReceivedRanges
from domain.errors import UploadTakenOver
from domain.ids import BlobKey, UploadId
from ports.blob_storage import BlobStorage
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.health import HealthCheck
from tests.support.s3 import S3Server, opened
from tests.support.sources import source_of


class Storages:
    """A chunk storage and the blob storage that its sealed uploads turn up in."""

    def __init__(self, chunks: ChunkStorage, blobs: BlobStorage, health: HealthCheck) -> None:
        self.chunks = chunks
        self.blobs = blobs
        self.health = health

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


async def storages_in(address: BucketAddress) -> AsyncIterator[Storages]:
    """One pair in a bucket, as one process holds it; yields once, for use in a fixture."""
    bucket = await opened(address)
    await bucket.prepare()
    blobs = S3BlobStorage(bucket)
    yield Storages(S3ChunkStorage(bucket), blobs, blobs)
    await bucket.close()


async def storages_for(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Storages]:
    """One pair of the technology that is the fixture's parameter: ``memory``, ``volume`` or ``s3``."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        pairs = storages_in(server.create_bucket())
    else:
        pairs = storages_of(request.param, folder)
    async for pair in pairs:
        yield pair


async def storages_of(technology: str, folder: Path, clock: Clock | None = None) -> AsyncIterator[Storages]:
    """One pair of ``memory`` or ``volume``; yields once, for use in a fixture."""
    if technology == "memory":
        memory = MemoryBytes()
        blobs = MemoryBlobStorage(memory)
        yield Storages(MemoryChunkStorage(memory, clock or SystemClock()), blobs, blobs)
        return
    volume, threads = Volume(folder / "volume"), Threads("test-volume")
    volume.prepare()
    volume_blobs = VolumeBlobStorage(volume, threads)
    chunks = VolumeChunkStorage(volume, threads)
    yield Storages(chunks, volume_blobs, volume_blobs)
    chunks.close()
    threads.close()


def no_permit() -> None:
    """A ``permit`` of one whose lease is gone."""
    raise UploadTakenOver("a newer request for this upload took over")
