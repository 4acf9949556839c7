"""The use cases in somebody's program: bodies come from a framework with its own words for a client that is gone."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.common.block_source import BlockSource, IterableSource
from adapters.outbound.memory import storage
from domain.access import Principal
from domain.errors import LongshoreError, StorageUnavailable
from domain.file_draft import FileDraft
from domain.ids import OwnerId
from longshore import django, fastapi, starlette
from longshore.embed import Longshore, in_memory, on_disk

ME = Principal(OwnerId("user:me"))
CONTENT = bytes(range(256)) * 1500
SENT = 300_001


class ClientDisconnect(Exception):
    """Starlette's, as ``request.stream()`` raises it."""


ERRORS = [ClientDisconnect(), ConnectionResetError("reset"), TimeoutError(), KeyError("a bug of theirs")]


@pytest.fixture(params=["memory", "disk"])
async def longshore(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Longshore]:
    async with AsyncExitStack() as stack:
        yield in_memory() if request.param == "memory" else await stack.enter_async_context(on_disk(tmp_path))


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> object:
    """Nor a task that failed and nobody asked."""
    caplog.set_level(logging.INFO)
    yield
    gc.collect()
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO] == []


async def stream(data: bytes, error: Exception, *, block: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(data), block):
        yield data[start : start + block]
    raise error


class OwnSource(BlockSource):
    def __init__(self, data: bytes, error: Exception, length: int | None) -> None:
        super().__init__(length=length)
        self._blocks = stream(data, error)

    async def next_block(self) -> bytes:
        return await anext(self._blocks)


async def test_a_source_that_fails_keeps_the_prefix_that_came(longshore: Longshore) -> None:
    uploads = longshore.core.uploads
    for error, length in product(ERRORS, (len(CONTENT), None)):
        upload = await uploads.create(ME, FileDraft.of(filename="a"), length=len(CONTENT))
        source = IterableSource(stream(CONTENT[:SENT], error), length=length)
        view = await uploads.append(ME, upload.id, at=0, source=source)
        assert (view.offset, source.is_cut) == (SENT, True)
        small = OwnSource(CONTENT[SENT : SENT + 10], error, length=length and 100)
        assert (await uploads.append(ME, upload.id, at=SENT, source=small)).offset == SENT + 10
        rest = IterableSource([CONTENT[SENT + 10 :]])
        assert (await uploads.append(ME, upload.id, at=SENT + 10, source=rest)).file_id is not None


async def test_a_folder_that_is_named_by_a_word_is_one_as_well(tmp_path: Path) -> None:
    for folder in (str(tmp_path / "new"), tmp_path / "new"):
        async with on_disk(folder) as longshore:
            await longshore.put(ME, "a", b"waves")
    assert {"files.db", "storage"} <= {entry.name for entry in (tmp_path / "new").iterdir()}


async def test_of_a_file_that_can_not_be_resumed_nothing_is_kept(longshore: Longshore) -> None:
    for error in ERRORS:
        for length in (None, len(CONTENT), 100):
            source = IterableSource(stream(CONTENT[:50], error), length=length)
            assert await longshore.core.uploads.store(ME, FileDraft(), source=source) is None
    assert await longshore.core.uploads.list_open(ME) == []


async def test_a_chunk_whose_source_fails_does_not_count(longshore: Longshore) -> None:
    uploads = longshore.core.uploads
    upload = await uploads.create(ME, FileDraft(), length=200, completes_on_request=True)
    for error in ERRORS:
        source = IterableSource(stream(CONTENT[:50], error), length=100)
        assert await uploads.place(ME, upload.id, index=0, chunk_size=100, source=source) is None
    whole = IterableSource([CONTENT[:100]], length=100)
    assert await uploads.place(ME, upload.id, index=0, chunk_size=100, source=whole) is not None


async def test_what_is_refused_on_purpose_is_raised(longshore: Longshore) -> None:
    upload = await longshore.core.uploads.create(ME, FileDraft(), length=len(CONTENT))
    source = IterableSource(stream(CONTENT[:50], StorageUnavailable("away")))
    with pytest.raises(LongshoreError):
        await longshore.core.uploads.append(ME, upload.id, at=0, source=source)


async def test_a_source_that_fails_after_it_was_left_tells_nobody(longshore: Longshore) -> None:
    """Whoever waits for its next block has gone on by then: a newer request came."""
    goes_on = asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        yield CONTENT[:50]
        await goes_on.wait()
        raise ClientDisconnect

    uploads = longshore.core.uploads
    upload = await uploads.create(ME, FileDraft(), length=len(CONTENT))
    older = asyncio.create_task(uploads.append(ME, upload.id, at=0, source=IterableSource(late())))
    await asyncio.sleep(0.05)
    newer = asyncio.create_task(uploads.inspect(ME, upload.id))
    await asyncio.sleep(0.05)
    goes_on.set()
    assert (await newer).offset in (0, 50)
    await asyncio.wait([older])
    assert isinstance(older.exception(), LongshoreError)


@pytest.mark.parametrize("mount", [fastapi.router, starlette.routes, django.urls])
def test_a_store_that_is_not_open_is_refused_in_words(mount: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="has to be open: `async with on_disk"):
        mount(on_disk(tmp_path))


def test_a_store_in_memory_counts_bytes_as_fast_as_one_on_a_disk() -> None:
    assert vars(storage)["crc64nvme"].__module__ == "awscrt.checksums"
