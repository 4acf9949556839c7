"""The two contract suites over the folder, and the use cases on top of it. README.md says how to run it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from adapters.inbound.common.block_source import IterableSource
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.ledger import MemoryReceivedLedger
from adapters.outbound.memory.lock import MemoryUploadLock
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from application.core import Core, Outside, core_of
from domain.access import Principal
from domain.byte_range import ByteRange
from domain.file_draft import FileDraft
from domain.ids import OwnerId
from tests.contract.suites.blob_storage import BlobStorageSuite
from tests.contract.suites.chunk_storage import ChunkStorageSuite
from tests.contract.suites.storages import StorageFactory, Storages

from .one_folder import FolderBlobStorage, FolderChunkStorage


@asynccontextmanager
async def in_one_folder(folder: Path) -> AsyncIterator[Storages]:
    yield Storages(FolderChunkStorage(folder), FolderBlobStorage(folder))


@pytest.fixture
def factory(tmp_path: Path) -> StorageFactory:
    return partial(in_one_folder, tmp_path)


class TestFolderChunkStorage(ChunkStorageSuite):
    """All that a chunk storage promises."""


class TestFolderBlobStorage(BlobStorageSuite):
    """All that a blob storage promises."""


def core_on(folder: Path) -> Core:
    """The use cases over the folder, with a database in memory."""
    database, feed = MemoryDatabase(), MemoryFeed()
    notifier = MemoryProgressNotifier(feed)
    outbox = MemoryOutbox(database, notifier)
    outside = Outside(
        unit_of_work=MemoryUnitOfWorkFactory(database, outbox),
        lock=MemoryUploadLock(database),
        ledger=MemoryReceivedLedger(database),
        outbox=outbox,
        chunks=FolderChunkStorage(folder),
        blobs=FolderBlobStorage(folder),
        notifier=notifier,
        feed=feed,
        signer=HmacDownloadSigner(b"a secret"),
        clock=SystemClock(),
        ids=SystemIdGenerator(),
    )
    return core_of(outside)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.asyncio
async def test_a_file_is_brought_in_and_read_back(tmp_path: Path) -> None:
    core, me, data = core_on(tmp_path), Principal(OwnerId("user:me")), bytes(range(256)) * 400
    upload = await core.uploads.create(me, FileDraft.of(filename="holiday.mov"), length=len(data))
    await core.uploads.append(me, upload.id, at=0, source=IterableSource([data[:70_000]]))
    assert names_in(tmp_path) == [f"{upload.id}.part"]
    view = await core.uploads.append(me, upload.id, at=70_000, source=IterableSource([data[70_000:]]))
    assert names_in(tmp_path) == [upload.id]
    assert view.file_id is not None
    opened = await core.downloads.open(me, view.file_id)
    assert [block async for block in opened.blob.blocks(ByteRange(0, len(data)))] == [data]
    await opened.blob.close()
