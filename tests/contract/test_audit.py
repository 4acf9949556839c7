"""Contract of ports/audit.py, on every database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.outbound.memory.audit import MemoryAudit
from adapters.outbound.sql.audit import SqlAudit
from adapters.outbound.sql.repositories.installation import SqlInstallation
from domain.file import File
from domain.finding import Recorded, ok, problem
from domain.ids import BlobKey, FileId
from domain.upload_state import UploadState
from ports.audit import Audit
from tests.contract.suites.stores import added
from tests.support.builders import ALICE, BOB, NOW, a_file, a_job, an_id, an_upload
from tests.support.stores import Process, Store, opened_store

LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def store(store_url: str | None) -> AsyncIterator[Store]:
    async with opened_store(store_url) as store:
        yield store


@pytest.fixture
def process(store: Store) -> Process:
    return store.process()


@pytest.fixture
def audit(store: Store, process: Process) -> Audit:
    if process.database is None:
        return MemoryAudit(store._memory)
    return SqlAudit(process.database, tables=lambda _: ok("the tables are those of the test"))


async def keep(process: Process, *kept: File) -> None:
    async with process.unit_of_work() as work:
        for file in kept:
            await work.files.add(file)
        await work.commit()


async def test_records_that_are_there_are_sound(audit: Audit) -> None:
    assert not audit.is_sound
    assert all([finding.good async for finding in audit.findings()])
    assert audit.is_sound


async def test_records_that_have_met_no_storage_name_none(audit: Audit) -> None:
    assert await audit.storage_id() is None


async def test_only_uploads_under_way_are_open(audit: Audit, process: Process) -> None:
    under_way = await added(process, an_upload(owner=ALICE))
    over = await added(process, an_upload(owner=BOB, state=UploadState.ABORTED))
    assert await audit.open_uploads([under_way.id, over.id, an_id()]) == {under_way.id}
    assert await audit.open_uploads([]) == set()


async def test_a_blob_is_known_if_a_file_has_it_or_an_upload_becomes_it_or_it_is_to_be_deleted(
    audit: Audit, process: Process
) -> None:
    kept, going = a_file(blob_key=an_id()), BlobKey(an_id())
    coming = await added(process)
    await keep(process, kept)
    async with process.unit_of_work() as work:
        await work.blob_deletions.add(going, NOW)
        await work.commit()
    asked = [kept.blob_key, going, coming.id, kept.id, an_id()]
    assert await audit.known_blobs(asked) == {kept.blob_key, going, coming.id}


async def test_deletions_are_counted_that_were_noted_before(audit: Audit, process: Process) -> None:
    async with process.unit_of_work() as work:
        for number in range(3):
            await work.blob_deletions.add(BlobKey(an_id()), NOW + timedelta(minutes=number))
        await work.commit()
    assert await audit.count_undeleted(NOW) == 0
    assert await audit.count_undeleted(NOW + timedelta(minutes=1)) == 1
    assert await audit.count_undeleted(LATER) == 3


async def test_every_file_is_told_of_by_id(audit: Audit, process: Process) -> None:
    kept = [a_file(owner=ALICE), a_file(owner=BOB, crc64=None, sha256=bytes(32)), a_file(crc64=1, blob_key=an_id())]
    await keep(process, *kept)
    told = [recorded async for recorded in audit.files()]
    assert told == [
        Recorded(file.id, file.blob_key, file.size, file.crc64, file.sha256)
        for file in sorted(kept, key=lambda file: file.id)
    ]


async def test_more_files_than_one_page_are_all_told_of(audit: Audit, process: Process) -> None:
    await keep(process, *(a_file() for _ in range(501)))
    assert len({recorded.file_id async for recorded in audit.files()}) == 501


async def test_a_file_is_had_until_it_is_deleted(audit: Audit, process: Process) -> None:
    file = a_file()
    await keep(process, file)
    assert await audit.has_file(file.id)
    assert not await audit.has_file(FileId(an_id()))
    async with process.unit_of_work() as work:
        await work.files.delete(file.id)
        await work.commit()
    assert not await audit.has_file(file.id)


async def test_only_dead_jobs_are_told_of_the_oldest_first(audit: Audit, process: Process) -> None:
    jobs = [a_job(created_at=NOW + timedelta(minutes=number)) for number in range(4)]
    async with process.unit_of_work() as work:
        for job in reversed(jobs):
            await work.jobs.add(job)
        await work.commit()
    for _ in range(3):
        async with process.unit_of_work() as work:
            claimed = await work.jobs.claim([jobs[0].kind], token="t", lease_seconds=60)
            assert claimed is not None
            await work.jobs.bury(claimed, error="it is broken")
            await work.commit()
    dead = await audit.dead_jobs(limit=10)
    assert [job.created_at for job in dead] == sorted(job.created_at for job in dead)
    assert (len(dead), {job.error for job in dead}) == (3, {"it is broken"})
    assert [job.id for job in await audit.dead_jobs(limit=1)] == [dead[0].id]


async def test_jobs_are_neglected_that_are_due_while_nobody_is_at_any(audit: Audit, process: Process) -> None:
    async with process.unit_of_work() as work:
        for _ in range(3):
            await work.jobs.add(a_job())
        await work.commit()
    soon, long_ago = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (1, -60))
    assert (await audit.neglected_jobs(long_ago), await audit.neglected_jobs(soon)) == (0, 3)
    async with process.unit_of_work() as work:
        claimed = await work.jobs.claim([a_job().kind], token="t", lease_seconds=600)
        await work.commit()
    assert await audit.neglected_jobs(soon) == 0
    assert await audit.neglected_jobs(soon + timedelta(hours=1)) == 3, "its lease has run out as well"
    async with process.unit_of_work() as work:
        assert claimed is not None
        await work.jobs.bury(claimed, error="it is broken")
        await work.commit()
    assert await audit.neglected_jobs(soon + timedelta(hours=1)) == 2


async def test_a_database_names_the_storage_that_it_has_met(shared_store: Store) -> None:
    database = shared_store.process().database
    assert database is not None
    await SqlInstallation(database).remember_storage("an id")
    assert await SqlAudit(database, tables=lambda _: ok("")).storage_id() == "an id"


async def test_a_database_with_other_tables_is_not_sound(shared_store: Store) -> None:
    database = shared_store.process().database
    assert database is not None
    audit = SqlAudit(database, tables=lambda _: problem("migrate"))
    assert [str(finding) async for finding in audit.findings()][-1] == "PROBLEM  migrate"
    assert not audit.is_sound
