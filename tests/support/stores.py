"""Repositories, ledger, lock and outbox on each kind of database, for one process or several."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Select

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.ledger import MemoryReceivedLedger
from adapters.outbound.memory.lock import MemoryUploadLock
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from adapters.outbound.sql.locks.lock import SqlUploadLock
from adapters.outbound.sql.locks.patience import Patience
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.sql.usage_triggers import metadata
from domain.job import JobsOf, nothing_to_do
from ports.progress_notifier import ProgressNotifier
from tests.contract.suites import stores as suites
from tests.support.builders import RememberingNotifier, ShiftedClock


@dataclass
class Process(suites.Process):
    """One of ours."""

    database: Database | None = None

    async def column(self, statement: Select[Any]) -> list[Any]:
        """The only one of all rows."""
        assert self.database is not None
        return await self.database.read(lambda connection: list(connection.execute(statement).scalars()))

    async def close(self) -> None:
        await super().close()
        if isinstance(self.ledger, SqlReceivedLedger):
            await self.ledger.close()
        if isinstance(self.outbox, SqlOutbox):
            await self.outbox.close()
        if self.database is not None:
            await self.database.close()


class Store(suites.Store):
    """One database; ``url`` is None for memory."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.keeps_others_out = url is not None
        self._memory = MemoryDatabase()
        self._processes: list[Process] = []

    async def create(self) -> None:
        if self.url is None:
            return
        scheme, _, path = self.url.partition(":///")
        if not scheme.startswith("sqlite"):
            await _create(self.url)
        elif not Path(path).exists():  # noqa: ASYNC240 -- a test's own file
            Path(path).write_bytes(await _empty_file())  # noqa: ASYNC240

    def process(
        self,
        notifier: ProgressNotifier | None = None,
        *,
        wait_seconds: float = 2.0,
        renew_seconds: float = 3.0,
        jobs_of: JobsOf = nothing_to_do,
    ) -> Process:
        """One more process on this database."""
        notifier = notifier or RememberingNotifier()
        if self.url is None:
            process = self._in_memory(notifier, wait_seconds, jobs_of)
        else:
            process = self._on_database(self.url, notifier, Patience(living=wait_seconds, renew=renew_seconds), jobs_of)
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in self._processes:
            await process.close()

    def _in_memory(self, notifier: ProgressNotifier, wait_seconds: float, jobs_of: JobsOf) -> Process:
        outbox = MemoryOutbox(self._memory, notifier)
        return Process(
            MemoryUnitOfWorkFactory(self._memory, outbox, jobs_of=jobs_of),
            MemoryReceivedLedger(self._memory),
            MemoryUploadLock(self._memory, wait_seconds=wait_seconds),
            outbox,
            notifier,
            ShiftedClock(),
        )

    def _on_database(self, url: str, notifier: ProgressNotifier, patience: Patience, jobs_of: JobsOf) -> Process:
        database = Database(url)
        outbox = SqlOutbox(database, notifier)
        clock = ShiftedClock()
        return Process(
            SqlUnitOfWorkFactory(database, outbox, jobs_of=jobs_of),
            SqlReceivedLedger(database),
            SqlUploadLock(database, clock, patience),
            outbox,
            notifier,
            clock,
            database,
        )


async def _create(url: str) -> None:
    database = Database(url)
    await database.write(metadata.create_all)
    await database.close()


_empty_files: list[bytes] = []


async def _empty_file() -> bytes:
    """What SQLite makes of our tables: copied, a test has them without the statements and their waits for a disk."""
    if not _empty_files:
        with TemporaryDirectory() as folder:
            await _create(f"sqlite+aiosqlite:///{folder}/empty.db")
            _empty_files.append(Path(folder, "empty.db").read_bytes())  # noqa: ASYNC240
    return _empty_files[0]


@asynccontextmanager
async def opened_store(url: str | None, *, is_laid_out: bool = False) -> AsyncIterator[Store]:
    store = Store(url)
    if not is_laid_out:
        await store.create()
    try:
        yield store
    finally:
        await store.close()
