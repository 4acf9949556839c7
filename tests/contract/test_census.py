"""Contract of ports/census.py, on every database."""

from collections.abc import AsyncIterator

import pytest

from adapters.outbound.memory.census import MemoryCensus
from adapters.outbound.sql.census import SqlCensus
from domain.job import JobState
from domain.upload_state import UploadKind, UploadState
from ports.census import Census
from tests.contract.suites.stores import added
from tests.support.builders import ALICE, BOB, a_file, a_job, an_upload
from tests.support.stores import Process, Store, opened_store


@pytest.fixture
async def store(store_url: str | None) -> AsyncIterator[Store]:
    async with opened_store(store_url) as store:
        yield store


@pytest.fixture
def process(store: Store) -> Process:
    return store.process()


@pytest.fixture
def census(store: Store, process: Process) -> Census:
    return MemoryCensus(store._memory) if process.database is None else SqlCensus(process.database)


async def test_of_nothing_there_is_none(census: Census) -> None:
    count = await census.count()
    assert (sum(count.uploads.values()), count.files, count.file_bytes, sum(count.jobs.values())) == (0, 0, 0, 0)


async def test_open_uploads_are_counted_by_their_state_and_are_no_files_yet(census: Census, process: Process) -> None:
    await added(process, an_upload(owner=ALICE, length=500))
    await added(process, an_upload(owner=ALICE, length=None))
    await added(process, an_upload(owner=BOB, kind=UploadKind.PARTIAL, length=70))
    await added(process, an_upload(owner=BOB, state=UploadState.RECEIVING))
    await added(process, an_upload(owner=BOB, state=UploadState.ABORTED))
    count = await census.count()
    assert dict(count.uploads) == {UploadState.PENDING: 3, UploadState.RECEIVING: 1}
    assert (count.files, count.file_bytes) == (0, 0)


async def test_files_of_all_owners_are_counted_with_their_bytes(census: Census, process: Process) -> None:
    await added(process, an_upload(owner=ALICE, length=500))
    async with process.unit_of_work() as work:
        for file in (a_file(owner=ALICE, size=10), a_file(owner=ALICE, size=0), a_file(owner=BOB, size=7)):
            await work.files.add(file)
        await work.commit()
    count = await census.count()
    assert (count.files, count.file_bytes) == (3, 17)


async def test_jobs_are_counted_by_kind_and_state(census: Census, process: Process) -> None:
    async with process.unit_of_work() as work:
        for kind in ("thumbnails", "thumbnails", "digest"):
            await work.jobs.add(a_job(kind))
        await work.commit()
    async with process.unit_of_work() as work:
        job = await work.jobs.claim(["digest"], token="t", lease_seconds=60)
        assert job is not None
        await work.jobs.bury(job, error="no")
        await work.commit()
    assert dict((await census.count()).jobs) == {
        ("thumbnails", JobState.QUEUED): 2,
        ("digest", JobState.DEAD): 1,
    }
