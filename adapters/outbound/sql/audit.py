"""The records, for looking at. Contract: tests/contract/test_audit.py."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Executable, RowMapping, func, select, text

from adapters.outbound.sql.crc64 import unsigned
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.image_tables import renditions
from adapters.outbound.sql.repositories.files import of_blobs
from adapters.outbound.sql.repositories.installation import SqlInstallation
from adapters.outbound.sql.repositories.mapping import job_from_row
from adapters.outbound.sql.tables import IS_DEAD, IS_OPEN, IS_TO_BE_DONE, blob_deletions, files, jobs, uploads
from domain.errors import LongshoreError
from domain.finding import Finding, Recorded, ok, problem
from domain.ids import FileId
from domain.job import Job, JobState
from ports.audit import Audit

_PAGE = 500


class SqlAudit(Audit):
    """``tables``: says whether they are those that this version needs."""

    def __init__(self, database: Database, *, tables: Callable[[Connection], Finding]) -> None:
        self._database = database
        self._tables = tables
        self.is_sound = False

    async def findings(self) -> AsyncIterator[Finding]:
        database = self._database
        if _is_missing(database):
            yield problem("the database does not exist yet: migrate or serve makes it")
            return
        began = time.monotonic()
        try:
            await database.check()
        except LongshoreError as error:
            yield problem(f"{error.detail}: {self._cause_of(error)}")
            return
        yield ok(f"the database answers within {(time.monotonic() - began) * 1000:.0f} ms")
        finding = await database.read(self._tables)
        self.is_sound = finding.good
        yield finding

    async def storage_id(self) -> str | None:
        return await SqlInstallation(self._database).storage_id()

    async def open_uploads(self, ids: Sequence[str]) -> set[str]:
        rows = await self._read(select(uploads.c.id).where(uploads.c.id.in_(ids), text(IS_OPEN)))
        return {row["id"] for row in rows}

    async def known_blobs(self, keys: Sequence[str]) -> set[str]:
        kept = await self._read(select(files.c.blob_key).where(of_blobs(keys)))
        drawn = await self._read(select(renditions.c.blob_key).where(renditions.c.blob_key.in_(keys)))
        going = await self._read(select(blob_deletions.c.blob_key).where(blob_deletions.c.blob_key.in_(keys)))
        coming = await self.open_uploads(keys)  # an upload's blob has its name, see blob_key_of
        return {row["blob_key"] for row in (*kept, *drawn, *going)} | coming

    async def count_undeleted(self, before: datetime) -> int:
        left = select(func.count().label("count")).where(blob_deletions.c.created_at < before)
        [row] = await self._read(left)
        return int(row["count"])

    async def files(self) -> AsyncIterator[Recorded]:
        of_interest = select(files.c.id, files.c.blob_key, files.c.size, files.c.crc64, files.c.sha256)
        last = ""
        while True:
            rows = await self._read(of_interest.where(files.c.id > last).order_by(files.c.id).limit(_PAGE))
            for row in rows:
                yield Recorded(row["id"], row["blob_key"], row["size"], unsigned(row["crc64"]), row["sha256"])
            if len(rows) < _PAGE:
                return
            last = rows[-1]["id"]

    async def has_file(self, file_id: FileId) -> bool:
        return bool(await self._read(select(files.c.id).where(files.c.id == file_id)))

    async def dead_jobs(self, *, limit: int) -> Sequence[Job]:
        dead = select(jobs).where(text(IS_DEAD)).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
        return [job_from_row(row) for row in await self._read(dead)]

    async def neglected_jobs(self, since: datetime) -> int:
        due, state = jobs.c.due_at, jobs.c.state
        counts = [
            func.count().filter(due < since).label("neglected"),
            func.count().filter(due >= since, state == JobState.RUNNING).label("leased"),
        ]
        [row] = await self._read(select(*counts).select_from(jobs).where(text(IS_TO_BE_DONE)))
        return 0 if row["leased"] else int(row["neglected"])

    async def _read(self, statement: Executable) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(statement).mappings().all())

    def _cause_of(self, error: LongshoreError) -> str:
        cause = str(error.__cause__ or "no answer").partition("\n")[0]
        password = self._database.url.password
        return cause.replace(str(password), "***") if password else cause


def _is_missing(database: Database) -> bool:
    """A file of SQLite's: to ask it would make it."""
    return database.is_sqlite and not Path(database.sqlite_path).exists()
