"""Contract of ports/job_queue.py, on every database."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.outbound.sql.tables import IS_TO_BE_DONE
from domain.job import Job
from tests.contract.suites.job_queue import KIND, JobQueueSuite, added, claimed
from tests.support.builders import a_job
from tests.support.stores import Store, opened_store


class TestJobQueue(JobQueueSuite):
    """All of it."""


async def test_many_workers_of_several_processes_claim_each_job_once(shared_store: Store) -> None:
    processes = [shared_store.process() for _ in range(3)]
    jobs = await added(processes[0], *(a_job(KIND) for _ in range(40)))
    got: list[Job] = []

    async def work(number: int) -> None:
        process = processes[number % 3]
        while job := await claimed(process):
            got.append(job)
            async with process.unit_of_work() as unit:
                await unit.jobs.remove(job)
                await unit.commit()

    await asyncio.gather(*(work(number) for number in range(12)))
    assert sorted(job.id for job in got) == sorted(job.id for job in jobs)
    assert {job.attempts for job in got} == {1}


async def test_a_claim_waits_for_nobody_who_has_claimed_and_not_committed(
    request: pytest.FixtureRequest,
) -> None:
    async with opened_store(request.getfixturevalue("server_postgres_url")) as store:
        process, other = store.process(), store.process()
        first, second = await added(process, a_job(KIND)), await added(process, a_job(KIND))
        async with process.unit_of_work() as open_work:
            held = await open_work.jobs.claim([KIND], token="a", lease_seconds=60)
            async with asyncio.timeout(2):
                taken = await claimed(other)
        assert held is not None and taken is not None
        assert {held.id, taken.id} == {first[0].id, second[0].id}
        assert await claimed(other)  # what was not committed was not claimed


async def test_to_find_nothing_costs_no_turn_to_write(tmp_path: Path) -> None:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path}/files.db") as store:
        process = store.process()
        assert process.database is not None
        async with process.database.write_turn(), asyncio.timeout(2):
            assert await claimed(process) is None


async def test_the_next_job_is_found_by_the_index(shared_store: Store) -> None:
    """Among a million of another kind, too: what is sorted or passed by at each claim would be felt."""
    database = shared_store.process().database
    assert database is not None
    now = "'2026'" if database.is_sqlite else "statement_timestamp()"
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    asked = (
        f"{explain} SELECT id FROM jobs WHERE {IS_TO_BE_DONE} AND kind = 'a' "  # noqa: S608 -- our own words
        f"AND due_at <= {now} ORDER BY due_at, id LIMIT 1"
    )
    async with database.transaction() as transaction:
        if not database.is_sqlite:  # a table without rows is quicker read as a whole
            await transaction.write(lambda connection: connection.execute(text("SET LOCAL enable_seqscan = off")))
        rows = await transaction.read(text(asked))
    plan = "\n".join(str(value) for row in rows for value in row.values())
    assert "ix_jobs_kind_due_at" in plan
    assert "SORT" not in plan.upper() and "B-TREE" not in plan.upper()
