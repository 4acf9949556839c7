"""Counts rows: the few that are open, and of files what is summed up of them already. Contract:
tests/contract/test_census.py."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, case, func, select, text

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.tables import IS_OPEN, jobs, uploads, usage
from domain.census import Count
from domain.job import JobState
from domain.upload_state import UploadKind, UploadState
from ports.census import Census


class SqlCensus(Census):
    """What each owner holds (``usage_triggers.py``) has files together with the open uploads that will become some:
    without those it is the files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> Count:
        return await self._database.read(_count)


def _count(connection: Connection) -> Count:
    to_come = func.sum(case((uploads.c.kind == UploadKind.PARTIAL, 0), else_=1))
    announced = func.sum(func.coalesce(uploads.c.length, 0))
    under_way = connection.execute(
        select(uploads.c.state, func.count().label("uploads"), to_come.label("files"), announced.label("bytes"))
        .where(text(IS_OPEN))
        .group_by(uploads.c.state)
    ).all()
    held = connection.execute(select(func.sum(usage.c.files), func.sum(usage.c.bytes))).one()
    return Count(
        uploads={UploadState(row.state): int(row.uploads) for row in under_way},
        files=int(held[0] or 0) - sum(int(row.files) for row in under_way),
        file_bytes=int(held[1] or 0) - sum(int(row.bytes) for row in under_way),
        jobs=_jobs(connection),
    )


def _jobs(connection: Connection) -> Mapping[tuple[str, JobState], int]:
    counted = select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
    return Counter({(kind, JobState(state)): count for kind, state, count in connection.execute(counted)})
