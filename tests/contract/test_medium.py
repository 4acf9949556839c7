"""Contract of ports/medium.py, run over what holds bytes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from adapters.outbound.s3.medium import S3Medium
from adapters.outbound.volume.medium import VolumeMedium
from adapters.outbound.volume.volume import Volume
from domain.checksum import crc64nvme
from domain.finding import Recorded
from domain.ids import BlobKey, FileId, UploadId
from ports.medium import Medium
from tests.contract.suites.storages import StorageFactory, Storages
from tests.support.builders import an_id
from tests.support.processes.s3 import S3Server, opened
from tests.support.storages import in_bucket, on_volume

CONTENT = b"what was received"
SOON = timedelta(minutes=1)
PLACED = BlobKey("images/a/b/original/0_x.jpg")


@dataclass
class Shelf:
    """A medium, and what opens the storages that lay it out and fill it."""

    medium: Medium
    storages: StorageFactory


@pytest.fixture(params=["volume", "s3"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "volume":
        folder = tmp_path / "volume"
        yield Shelf(VolumeMedium(Volume(folder)), partial(on_volume, folder))
        return
    server: S3Server = request.getfixturevalue("s3")
    address = server.create_bucket()
    bucket = await opened(address)
    yield Shelf(S3Medium(bucket), partial(in_bucket, address))
    await bucket.close()


@pytest.fixture
async def storages(shelf: Shelf) -> AsyncIterator[Storages]:
    async with shelf.storages() as storages:
        yield storages


async def all_of(some: AsyncIterator[Mapping[str, int]]) -> dict[str, int]:
    return {name: size async for page in some for name, size in page.items()}


async def sealed(storages: Storages, content: bytes = CONTENT) -> BlobKey:
    upload_id = UploadId(an_id())
    await storages.write(upload_id, content)
    return await storages.chunks.seal(upload_id, size=len(content))


def recorded(key: BlobKey, content: bytes = CONTENT, *, size: int | None = None) -> Recorded:
    return Recorded(FileId(an_id()), key, len(content) if size is None else size, crc64nvme(content), None)


async def test_what_has_not_been_laid_out_is_told_and_has_no_id(shelf: Shelf) -> None:
    assert [finding.good async for finding in shelf.medium.findings()][-1] is False
    assert shelf.medium.id is None


async def test_what_is_in_order_has_an_id_that_stays(shelf: Shelf, storages: Storages) -> None:
    assert shelf.medium.id is None
    ids: set[str | None] = set()
    for _ in range(2):
        assert all([finding.good async for finding in shelf.medium.findings()])
        ids.add(shelf.medium.id)
    assert len(ids) == 1 and ids != {None}


async def test_staged_uploads_are_told_that_have_not_changed_since(shelf: Shelf, storages: Storages) -> None:
    upload_id = UploadId(an_id())
    await storages.write(upload_id, CONTENT)
    now = datetime.now(UTC)
    assert await all_of(shelf.medium.staged(now + SOON)) == {upload_id: len(CONTENT)}
    assert await all_of(shelf.medium.staged(now - SOON)) == {}
    assert await all_of(shelf.medium.blobs(now + SOON)) == {}


async def test_blobs_are_told_that_are_older(shelf: Shelf, storages: Storages) -> None:
    key = await sealed(storages)
    now = datetime.now(UTC)
    assert await all_of(shelf.medium.blobs(now + SOON)) == {key: len(CONTENT)}
    assert await all_of(shelf.medium.blobs(now - SOON)) == {}
    assert await all_of(shelf.medium.staged(now + SOON)) == {}


async def test_blobs_that_bear_their_place_are_told_by_their_whole_key(shelf: Shelf, storages: Storages) -> None:
    keys = [await sealed(storages), PLACED, BlobKey("images/e/f/original/1_y.png")]
    for key in keys[1:]:
        await storages.blobs.put(key, CONTENT)
    now = datetime.now(UTC)
    assert await all_of(shelf.medium.blobs(now + SOON)) == dict.fromkeys(keys, len(CONTENT))
    assert await all_of(shelf.medium.blobs(now - SOON)) == {}
    await storages.blobs.delete(PLACED)
    assert PLACED not in await all_of(shelf.medium.blobs(now + SOON))


@pytest.mark.parametrize("is_placed", [False, True])
@pytest.mark.parametrize("scrub", [False, True])
async def test_nothing_is_wrong_with_what_was_received(
    shelf: Shelf, storages: Storages, scrub: bool, is_placed: bool
) -> None:
    key = await sealed(storages)
    if is_placed:
        await storages.blobs.put(key := PLACED, CONTENT)
    assert await shelf.medium.wrong_with(recorded(key), scrub=scrub) == ""


async def test_missing_bytes_are_told(shelf: Shelf, storages: Storages) -> None:
    assert await shelf.medium.wrong_with(recorded(BlobKey(an_id())), scrub=False) == "its bytes are missing"


async def test_bytes_of_another_size_are_told(shelf: Shelf, storages: Storages) -> None:
    key = await sealed(storages)
    wrong = await shelf.medium.wrong_with(recorded(key, size=len(CONTENT) + 1), scrub=False)
    assert wrong == f"it has {len(CONTENT)} bytes, {len(CONTENT) + 1} were received"


async def test_only_scrubbing_sees_other_bytes_of_the_same_size(shelf: Shelf, storages: Storages) -> None:
    key = await sealed(storages)
    other = recorded(key, CONTENT[::-1])
    assert await shelf.medium.wrong_with(other, scrub=False) == ""
    wrong = await shelf.medium.wrong_with(other, scrub=True)
    assert wrong == "its bytes are not those that were received (CRC-64/NVME)"


async def test_bytes_larger_than_a_block_are_all_read(shelf: Shelf, storages: Storages) -> None:
    content = bytes(9 * 1024**2)
    key = await sealed(storages, content)
    assert await shelf.medium.wrong_with(recorded(key, content), scrub=True) == ""
