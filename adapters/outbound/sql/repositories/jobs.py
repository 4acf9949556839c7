"""Jobs as rows. Contract: tests/contract/test_job_queue.py."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Update,
    and_,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import job_from_row, job_to_row
from adapters.outbound.sql.tables import Instant, jobs
from domain.errors import JobNotFound, JobTakenOver
from domain.ids import JobId
from domain.job import Job, JobState
from ports.job_queue import JobQueue

_c = jobs.c


class SqlJobQueue(JobQueue):
    """Times are PostgreSQL's; of SQLite, which is one machine's, ours."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, job: Job) -> None:
        row = job_to_row(job)
        added = insert_into(jobs, is_sqlite=self._transaction.is_sqlite).on_conflict_do_nothing()
        await self._transaction.change(lambda connection: connection.execute(added, row))

    async def claim(self, *, token: str, lease_seconds: float, job_id: JobId | None = None) -> Job | None:
        waits = and_(_c.state.in_((JobState.QUEUED, JobState.RUNNING)), _c.due_at <= self._in(0))
        if job_id is not None:
            waits = and_(waits, _c.id == job_id)
        first = select(_c.id).where(waits).order_by(_c.due_at, _c.id).limit(1).with_for_update(skip_locked=True)
        claimed = (
            update(jobs)
            .where(_c.id == first.scalar_subquery())
            .values(state=JobState.RUNNING, attempts=_c.attempts + 1, token=token, due_at=self._in(lease_seconds))
            .returning(jobs)
        )

        def claim(connection: Connection) -> Job | None:
            row = connection.execute(claimed).mappings().first()
            return None if row is None else job_from_row(row)

        return await self._transaction.write(claim)

    async def renew(self, job: Job, *, lease_seconds: float) -> bool:
        renewed = update(jobs).where(_is_held(job)).values(due_at=self._in(lease_seconds))
        return await self._transaction.write(lambda connection: connection.execute(renewed).rowcount > 0)

    async def remove(self, job: Job) -> None:
        await self._of_its_holder(delete(jobs).where(_is_held(job)))

    async def put_back(self, job: Job, *, seconds: float, error: str) -> None:
        values = {"state": JobState.QUEUED, "token": "", "due_at": self._in(seconds), "error": _text(error)}
        await self._of_its_holder(update(jobs).where(_is_held(job)).values(values))

    async def bury(self, job: Job, *, error: str) -> None:
        values = {"state": JobState.DEAD, "token": "", "error": _text(error)}
        await self._of_its_holder(update(jobs).where(_is_held(job)).values(values))

    async def revive(self, job_id: JobId) -> Job:
        revived = (
            update(jobs)
            .where(_c.id == job_id, _c.state == JobState.DEAD)
            .values(state=JobState.QUEUED, attempts=0, due_at=self._in(0))
            .returning(jobs)
        )

        def revive(connection: Connection) -> Job:
            row = connection.execute(revived).mappings().first()
            if row is None:
                raise JobNotFound("no dead job has this id")
            return job_from_row(row)

        return await self._transaction.write(revive)

    async def list(self, state: JobState | None = None, *, limit: int) -> Sequence[Job]:
        wanted = select(jobs).order_by(_c.created_at, _c.id).limit(limit)
        if state is not None:
            wanted = wanted.where(_c.state == state)
        return [job_from_row(row) for row in await self._transaction.read(wanted)]

    async def count(self) -> Mapping[JobState, int]:
        counted = select(_c.state, func.count().label("count")).group_by(_c.state)
        return {JobState(row["state"]): row["count"] for row in await self._transaction.read(counted)}

    async def forget(self, kind: str, subject: str) -> None:
        gone = delete(jobs).where(_c.subject == subject, _c.kind == kind)
        await self._transaction.change(lambda connection: connection.execute(gone))

    async def _of_its_holder(self, statement: Update | Delete) -> None:
        def run(connection: Connection) -> None:
            if not connection.execute(statement).rowcount:
                raise JobTakenOver("another worker has the job")

        await self._transaction.change(run)

    def _in(self, seconds: float) -> ColumnElement[Any]:
        if self._transaction.is_sqlite:
            return literal(datetime.now(UTC) + timedelta(seconds=seconds), Instant)
        return cast(func.clock_timestamp(), Instant) + timedelta(seconds=seconds)


def _is_held(job: Job) -> ColumnElement[bool]:
    return and_(_c.id == job.id, _c.token == job.token, _c.state == JobState.RUNNING)


def _text(error: str) -> str:
    return error.replace("\0", "")  # PostgreSQL's text knows none
