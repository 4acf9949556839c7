"""What every chunk intake promises: bytes first, then their receipt, or neither."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.checksum import crc64nvme
from domain.errors import FileGone, RepositoryUnavailable, UploadTakenOver
from domain.upload_state import UploadState
from tests.contract.suites.stores import kept
from tests.support.builders import NOW, a_receipt, extent
from tests.support.intakes import Intake, intakes_of

KIB = 1024


@pytest.fixture(params=["memory", "volume-sqlite", "volume-postgres"])
async def intake(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Intake]:
    kind, _, database = request.param.partition("-")
    url = f"sqlite+aiosqlite:///{tmp_path / 'files.db'}" if database == "sqlite" else None
    if database == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    async for one in intakes_of(kind, tmp_path, url):
        await one.warm_up()
        yield one


async def test_what_is_taken_is_stored_and_recorded(intake: Intake) -> None:
    data = random.Random(1).randbytes(300_001)
    upload = await intake.upload()
    await intake.send(upload, data, size=64 * KIB)
    seen = await kept(intake.process, upload.id)
    assert (seen.offset, seen.received.crc64()) == (len(data), crc64nvme(data))
    assert await intake.storages.sealed(upload.id, len(data)) == data


async def test_many_uploads_at_once_get_their_own_bytes(intake: Intake) -> None:
    bodies = [random.Random(number).randbytes(20_000) for number in range(40)]
    uploads = [await intake.upload() for _ in bodies]
    await asyncio.gather(*(intake.send(*pair, size=3000) for pair in zip(uploads, bodies, strict=True)))
    for upload, body in zip(uploads, bodies, strict=True):
        seen = await kept(intake.process, upload.id)
        assert (seen.offset, seen.received.crc64()) == (len(body), crc64nvme(body))
        assert await intake.storages.sealed(upload.id, len(body)) == body


async def test_what_else_a_receipt_tells_is_recorded_too(intake: Intake) -> None:
    upload, later = await intake.upload(), NOW + timedelta(days=9)
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        receipt = a_receipt(upload, 0, 3, crc64nvme(b"abc"), state=UploadState.ASSEMBLING, expires_at=later)
        await intake.adapter.take(receipt, lease, at=0, data=b"abc")
    seen = await kept(intake.process, upload.id)
    assert (seen.offset, seen.state, seen.expires_at) == (3, UploadState.ASSEMBLING, later)


async def test_a_fold_is_larger_than_the_bytes_it_comes_with(intake: Intake) -> None:
    upload = await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        await intake.take(upload, lease, b"abc")
        receipt = a_receipt(upload, 0, 6, crc64nvme(b"abcdef"), folds=True)
        await intake.adapter.take(receipt, lease, at=3, data=b"def")
    seen = await kept(intake.process, upload.id)
    assert list(seen.received) == [extent(0, 6, crc64nvme(b"abcdef"))]
    assert await intake.storages.sealed(upload.id, 6) == b"abcdef"


async def test_of_the_same_bytes_sent_twice_the_later_ones_count(intake: Intake) -> None:
    upload = await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        await intake.take(upload, lease, b"before")
        await intake.take(upload, lease, b"after!")
    assert (await kept(intake.process, upload.id)).received.crc64() == crc64nvme(b"after!")
    assert await intake.storages.sealed(upload.id, 6) == b"after!"


async def test_whoever_has_lost_the_lease_records_nothing(intake: Intake) -> None:
    upload, other = await intake.upload(), await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        pass
    async with intake.process.lock.hold(other.id, on_wanted=lambda: None) as standing:
        stale = replace(lease, token="f" * 32, check=lambda: None)
        lost, taken = await asyncio.gather(
            intake.take(upload, stale, b"late"), intake.take(other, standing, b"fine"), return_exceptions=True
        )
    assert isinstance(lost, UploadTakenOver)
    assert taken is None
    assert (await kept(intake.process, upload.id)).offset == 0
    assert (await kept(intake.process, other.id)).offset == 4


@pytest.mark.parametrize("doubt", [UploadTakenOver("newer"), RepositoryUnavailable("late")], ids=["lost", "lapsed"])
async def test_nothing_is_written_under_a_lease_in_doubt(
    intake: Intake, doubt: UploadTakenOver | RepositoryUnavailable
) -> None:
    def check() -> None:
        raise doubt

    upload = await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        await intake.take(upload, lease, b"abc")
        with pytest.raises(type(doubt)):
            await intake.take(upload, replace(lease, check=check), b"def", at=3)
        with pytest.raises(type(doubt)):
            await intake.take(upload, replace(lease, check=check), b"xyz")
    assert (await kept(intake.process, upload.id)).offset == 3
    assert await intake.storages.sealed(upload.id, 3) == b"abc"


async def test_bytes_that_do_not_continue_what_is_there_are_refused(intake: Intake) -> None:
    upload = await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        await intake.take(upload, lease, b"abc")
        with pytest.raises(FileGone):
            await intake.take(upload, lease, b"def", at=4)
    assert (await kept(intake.process, upload.id)).offset == 3


async def test_a_cancelled_one_is_over_when_it_says_so(intake: Intake) -> None:
    upload = await intake.upload()
    async with intake.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        await intake.take(upload, lease, b"abc")
        taking = asyncio.create_task(intake.take(upload, lease, b"def", at=3))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        offset = (await kept(intake.process, upload.id)).offset
        await asyncio.sleep(0.05)
        assert (await kept(intake.process, upload.id)).offset == offset in (3, 6)
        await intake.take(upload, lease, b"xyz", at=3)
    assert await intake.storages.sealed(upload.id, 6) == b"abcxyz"


@pytest.mark.parametrize(("length", "is_small"), [(1, True), (32 * KIB, True), (256 * KIB + 1, False)])
async def test_what_it_accepts_fits_in_memory(intake: Intake, length: int, is_small: bool) -> None:
    assert intake.adapter.accepts(length) is is_small
