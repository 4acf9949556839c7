"""Chunk and blob storages of each technology, for the contract suites."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
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
from domain.errors import UploadTakenOver
from tests.contract.suites.storages import StorageFactory, Storages
from tests.support.processes.s3 import S3Server, opened


@asynccontextmanager
async def in_memory(memory: MemoryBytes) -> AsyncIterator[Storages]:
    yield Storages(MemoryChunkStorage(memory, SystemClock()), MemoryBlobStorage(memory))


@asynccontextmanager
async def on_volume(folder: Path) -> AsyncIterator[Storages]:
    volume = Volume(folder)
    volume.prepare()
    with closing(Threads("test-volume")) as threads, closing(VolumeChunkStorage(volume, threads)) as chunks:
        yield Storages(chunks, VolumeBlobStorage(volume, threads))


@asynccontextmanager
async def in_bucket(address: BucketAddress) -> AsyncIterator[Storages]:
    bucket = await opened(address)
    try:
        await bucket.prepare()
        yield Storages(S3ChunkStorage(bucket), S3BlobStorage(bucket))
    finally:
        await bucket.close()


def factory_of(request: pytest.FixtureRequest, folder: Path) -> StorageFactory:
    """For the technology that is the fixture's parameter: ``memory``, ``volume`` or ``s3``."""
    if request.param == "memory":
        return partial(in_memory, MemoryBytes())
    if request.param == "volume":
        return partial(on_volume, folder / "volume")
    server: S3Server = request.getfixturevalue("s3")
    return partial(in_bucket, server.create_bucket())


def no_permit() -> None:
    """A ``permit`` of one whose lease is gone."""
    raise UploadTakenOver("a newer request for this upload took over")
