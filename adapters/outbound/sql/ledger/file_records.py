"""Uploads that are complete when they are first heard of, with their files and events: as rows to be written by the
process beside ours, or in a unit of work of this one."""

import marshal
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.plain_files import FileRow
from adapters.outbound.sql.repositories.mapping import extent_to_row, file_to_row, job_to_row, upload_to_row
from adapters.outbound.sql.repositories.outbox import SqlOutbox, event_to_row
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.sql.repositories.uploads import SqlUploadRepository
from adapters.outbound.sql.tables import files, jobs, outbox, received_ranges, uploads
from domain.errors import BudgetExceeded
from domain.events import Event
from domain.file import File
from domain.job import Job
from domain.upload import Upload
from domain.upload_policy import UploadPolicy

_DIALECT = sqlite.dialect()
_Binders = Sequence[tuple[str, Callable[[Any], Any]]]
_Row = tuple[Table, dict[str, Any]]
_MAX_BATCH = 64


def _binders(table: Table) -> _Binders:
    """What turns values into what SQLite keeps, for the columns that need it."""
    found = [(column.name, column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for column in table.columns]
    # The same few instants are in all rows of a file, and in those of others.
    return [(name, lru_cache(maxsize=64)(binder)) for name, binder in found if binder is not None]


_BINDERS = {table.name: _binders(table) for table in (uploads, received_ranges, files, jobs, outbox)}


@dataclass(frozen=True, slots=True)
class _Entry:
    upload: Upload
    file: File
    events: Sequence[Event]
    jobs: Sequence[Job]
    policy: UploadPolicy


class SqlFileRecords:
    """Close it at the end."""

    def __init__(self, database: Database, unit_of_work: SqlUnitOfWorkFactory, outbox: SqlOutbox) -> None:
        self._database = database
        self._unit_of_work = unit_of_work
        self._outbox = outbox
        self._batches = Batches[_Entry, bool](self._keep_together, limit=_MAX_BATCH)

    def rows(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> bytes | None:
        """For ``plain_files.py``; None if it can't tell whether the owner may have so many bytes."""
        if policy.max_bytes is not None:
            return None
        made = _rows_of(self._entry(upload, file, events, policy))
        made += [(outbox, event_to_row(event)) for event in _lasting(events)]
        return marshal.dumps((upload.owner, policy.max_files, [_as_kept(table, row) for table, row in made]))

    def publish(self, events: Sequence[Event], first_number: int) -> None:
        """The process beside ours has committed them; the first has that number."""
        self._outbox.publish(events, range(first_number, first_number + len(_lasting(events))))

    async def keep(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> None:
        """Commit them and publish the events; if they are committed already, that is all."""
        # On SQLite commits of one process share a transaction anyway.
        is_shared = not self._database.is_sqlite
        if is_shared and await self._batches.submit(self._entry(upload, file, events, policy)):
            return
        async with self._unit_of_work() as work:
            if await work.uploads.is_known(upload.id):
                return  # its events are published with others that a crash left behind
            await work.uploads.add(upload)
            await work.files.add(file)
            if policy.has_quota:
                await work.uploads.check_usage(upload.owner, policy)
            for event in events:
                work.announce(event)
            await work.commit()

    async def close(self) -> None:
        await self._batches.close()

    async def _keep_together(self, entries: Sequence[_Entry]) -> Sequence[bool]:
        """All of them in one transaction. If one may not be, none is, and each is kept by itself: that tells whose it
        was."""
        # Owners' rows are locked in this order, whatever else comes beside: so no two batches wait for one another.
        entries = sorted(entries, key=lambda entry: entry.upload.owner)
        events = [event for entry in entries for event in entry.events]
        try:
            async with self._database.transaction() as transaction:
                await transaction.write(partial(_insert, [row for entry in entries for row in _rows_of(entry)]))
                lasting = _lasting(events)
                numbers = await self._outbox.keep(lasting, transaction) if lasting else []
                limits = {entry.upload.owner: entry.policy for entry in entries if entry.policy.has_quota}
                for owner, policy in limits.items():
                    await SqlUploadRepository(transaction).check_usage(owner, policy)
                await transaction.commit()
        except (IntegrityError, BudgetExceeded):
            return [False] * len(entries)
        self._outbox.publish(events, numbers)
        return [True] * len(entries)

    def _entry(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> _Entry:
        # Here, not where several are written together: what is asked for belongs to what it comes of.
        asked = [job for event in events for job in self._unit_of_work.jobs_of(event)]
        return _Entry(upload, file, events, asked, policy)


def _rows_of(entry: _Entry) -> list[_Row]:
    """All but events, in the order in which they may be written."""
    return [
        (uploads, upload_to_row(entry.upload)),
        *((received_ranges, extent_to_row(entry.upload.id, extent)) for extent in entry.upload.received),
        (files, file_to_row(entry.file)),
        *((jobs, job_to_row(job)) for job in entry.jobs),
    ]


def _insert(rows: Sequence[_Row], connection: Connection) -> None:
    by_table: defaultdict[Table, list[dict[str, Any]]] = defaultdict(list)  # in the order of the first one's
    for table, row in rows:
        by_table[table].append(row)
    for table, its in by_table.items():
        connection.execute(insert(table), its)


def _lasting(events: Sequence[Event]) -> list[Event]:
    """Those that are to be told even if this process dies; another one follows those that pass."""
    return [event for event in events if not event.is_passing]


def _as_kept(table: Table, row: dict[str, Any]) -> FileRow:
    for name, binder in _BINDERS[table.name]:
        row[name] = binder(row[name])
    return f"{table.name}", tuple(row), tuple(row.values())  # a plain string: SQLAlchemy has one of its own
