"""Uploads that are complete when they are first heard of, with their files and events: as rows to be written by the
process beside ours, or in a unit of work of this one."""

import marshal
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from adapters.outbound.sql.ledger.plain_files import FileRow
from adapters.outbound.sql.repositories.mapping import extent_to_row, file_to_row, job_to_row, upload_to_row
from adapters.outbound.sql.repositories.outbox import SqlOutbox, event_to_row
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.sql.tables import files, jobs, outbox, received_ranges, uploads
from domain.events import Event
from domain.file import File
from domain.upload import Upload
from domain.upload_policy import UploadPolicy

_DIALECT = sqlite.dialect()
_Binders = Sequence[tuple[str, Callable[[Any], Any]]]


def _binders(table: Table) -> _Binders:
    """What turns values into what SQLite keeps, for the columns that need it."""
    found = [(column.name, column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for column in table.columns]
    # The same few instants are in all rows of a file, and in those of others.
    return [(name, lru_cache(maxsize=64)(binder)) for name, binder in found if binder is not None]


_BINDERS = {f"{table.name}": _binders(table) for table in (uploads, received_ranges, files, jobs, outbox)}


class SqlFileRecords:
    def __init__(self, unit_of_work: SqlUnitOfWorkFactory, outbox: SqlOutbox) -> None:
        self._unit_of_work = unit_of_work
        self._outbox = outbox

    def rows(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> bytes | None:
        """For ``plain_files.py``; None if it can't tell whether the owner may have so many bytes."""
        if policy.max_bytes is not None:
            return None
        made = [
            ("uploads", upload_to_row(upload)),
            *(("received_ranges", extent_to_row(upload.id, extent)) for extent in upload.received),
            ("files", file_to_row(file)),
            *(("jobs", job_to_row(job)) for event in events for job in self._unit_of_work.jobs_of(event)),
            *(("outbox", event_to_row(event)) for event in _lasting(events)),
        ]
        return marshal.dumps((upload.owner, policy.max_files, [_as_kept(table, row) for table, row in made]))

    def publish(self, events: Sequence[Event], first_number: int) -> None:
        """The process beside ours has committed them; the first has that number."""
        self._outbox.publish(events, range(first_number, first_number + len(_lasting(events))))

    async def keep(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> None:
        """Commit them and publish the events; if they are committed already, that is all."""
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


def _lasting(events: Sequence[Event]) -> list[Event]:
    """Those that are to be told even if this process dies; another one follows those that pass."""
    return [event for event in events if not event.is_passing]


def _as_kept(table: str, row: dict[str, Any]) -> FileRow:
    for name, binder in _BINDERS[table]:
        row[name] = binder(row[name])
    return table, tuple(row), tuple(row.values())
