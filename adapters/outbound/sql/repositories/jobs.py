"""Jobs as rows. Contract: tests/contract/test_job_queue.py."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Interval,
    Select,
    Update,
    and_,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import job_from_row, job_to_row
from adapters.outbound.sql.tables import IS_DEAD, IS_TO_BE_DONE, Instant, jobs
from domain.errors import JobNotFound, JobTakenOver
from domain.ids import JobId
from domain.job import Job, JobState
from ports.job_queue import JobQueue

_c = jobs.c


class SqlJobQueue(JobQueue):
    """Times are PostgreSQL's; of SQLite, which is one machine's, ours.

    ``on_due``: told of each job that workers are to hear of once it is committed.
    """

    def __init__(self, transaction: Transaction, on_due: Callable[[JobId], None]) -> None:
        self._transaction = transaction
        self._on_due = on_due

    async def add(self, job: Job) -> None:
        values = {**job_to_row(job), "due_at": self._in(0)}
        added = insert_into(jobs, is_sqlite=self._transaction.is_sqlite).values(values).on_conflict_do_nothing()
        await self._transaction.change(lambda connection: connection.execute(added))
        self._on_due(job.id)

    async def claim(self, kinds: Collection[str], *, token: str, lease_seconds: float) -> Job | None:
        # Workers ask again and again, and mostly there is nothing: that must cost no turn to write.
        for kind in await self._due(kinds):
            if (job := await self._claim(kind, token, lease_seconds)) is not None:
                return job
        return None

    async def _due(self, kinds: Collection[str]) -> Sequence[str]:
        """Those of which one is due; first that of which one has been so the longest. Each is looked for by itself: a
        million of another kind that are due, too, are not looked at."""
        if not kinds:
            return ()
        firsts = [select(self._first_of(kind, _c.kind, _c.due_at).subquery()) for kind in kinds]
        rows = await self._transaction.read(union_all(*firsts))
        return [row["kind"] for row in sorted(rows, key=itemgetter("due_at"))]

    def _first_of(self, kind: str, *columns: ColumnElement[Any]) -> Select[Any]:
        is_due = and_(text(IS_TO_BE_DONE), _c.kind == kind, _c.due_at <= self._in(0))
        return select(*columns).where(is_due).order_by(_c.due_at, _c.id).limit(1)

    async def _claim(self, kind: str, token: str, lease_seconds: float) -> Job | None:
        first = self._first_of(kind, _c.id)
        # A scalar subquery is evaluated once, so that no more is locked than is claimed.
        claimed = (
            update(jobs)
            .where(_c.id == first.with_for_update(skip_locked=True).scalar_subquery())
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

    async def put_back(self, job: Job, *, seconds: float, error: str, counts: bool = True) -> None:
        values = {
            "state": JobState.QUEUED,
            "attempts": job.attempts if counts else job.attempts - 1,
            "token": "",
            "due_at": self._in(seconds),
            "error": _kept(error),
        }
        await self._of_its_holder(update(jobs).where(_is_held(job)).values(values))

    async def bury(self, job: Job, *, error: str) -> None:
        values = {"state": JobState.DEAD, "token": "", "error": _kept(error)}
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

        job = await self._transaction.write(revive)
        self._on_due(job_id)
        return job

    async def list(self, state: JobState | None = None, *, kind: str | None = None, limit: int) -> Sequence[Job]:
        wanted = select(jobs).order_by(_c.created_at, _c.id).limit(limit)
        if state is not None:
            wanted = wanted.where(text(IS_DEAD) if state is JobState.DEAD else _c.state == state)
        if kind is not None:
            wanted = wanted.where(or_(_c.kind == kind, _c.kind.startswith(f"{kind}:", autoescape=True)))
        return [job_from_row(row) for row in await self._transaction.read(wanted)]

    async def count(self) -> Mapping[JobState, int]:
        counted = select(_c.state, func.count().label("count")).group_by(_c.state)
        return {JobState(row["state"]): row["count"] for row in await self._transaction.read(counted)}

    async def forget_old(self, family: str, *, before: datetime, limit: int) -> int:
        is_old = and_(_c.kind.startswith(family, autoescape=True), _c.created_at < before, _c.state != JobState.RUNNING)
        # All jobs are looked at for that, so not while others wait for the turn to write.
        found = await self._transaction.read(select(_c.id).where(is_old).limit(limit))
        if not found:
            return 0
        old = delete(jobs).where(_c.id.in_([row["id"] for row in found]), is_old)
        return await self._transaction.write(lambda connection: connection.execute(old).rowcount)

    async def forget(self, kind: str, subject: str) -> None:
        gone = delete(jobs).where(_c.subject == subject, _c.kind == kind, _c.state != JobState.RUNNING)
        await self._transaction.change(lambda connection: connection.execute(gone))

    async def _of_its_holder(self, statement: Update | Delete) -> None:
        def run(connection: Connection) -> None:
            if not connection.execute(statement).rowcount:
                raise JobTakenOver("another worker has the job")

        await self._transaction.change(run)

    def _in(self, seconds: float) -> ColumnElement[Any]:
        if self._transaction.is_sqlite:
            return literal(datetime.now(UTC) + timedelta(seconds=seconds), Instant)
        # Not clock_timestamp(): what may change within a statement finds nothing by an index.
        return func.statement_timestamp() + literal(timedelta(seconds=seconds), Interval)


def _is_held(job: Job) -> ColumnElement[bool]:
    return and_(_c.id == job.id, _c.token == job.token, _c.state == JobState.RUNNING)


def _kept(error: str) -> str:
    return error.replace("\0", "")  # PostgreSQL's text knows none
