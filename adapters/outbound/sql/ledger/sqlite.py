"""The ledger's batches on SQLite: by the driver itself, one hop to the writing thread and back a batch."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.entry import Entry, before, range_row
from adapters.outbound.sql.ledger.plain_receipts import insert_plain
from domain.ids import UploadId
from domain.upload_state import OPEN_STATES

_LEASE_STANDS = """
SELECT 1 FROM upload_leases JOIN uploads ON uploads.id = upload_leases.upload_id
WHERE upload_leases.upload_id = ? AND upload_leases.token = ?
"""
_RANGE_LEASE_STANDS = """
SELECT 1 FROM range_leases JOIN uploads ON uploads.id = range_leases.upload_id
JOIN upload_leases ON upload_leases.upload_id = uploads.id AND upload_leases.token = range_leases.generation
WHERE range_leases.upload_id = ? AND range_leases.token = ?
"""
_INSERT = """
INSERT INTO received_ranges (upload_id, range_start, range_end, crc64) VALUES (?, ?, ?, ?)
ON CONFLICT (upload_id, range_start, range_end) DO UPDATE SET crc64 = excluded.crc64
"""
_FOLD = """
DELETE FROM received_ranges WHERE upload_id = ?1 AND range_start >= ?2 AND range_end <= ?3
AND NOT (range_start = ?2 AND range_end = ?3)
"""
_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))
_PROLONG = f"UPDATE uploads SET expires_at = max(expires_at, ?) WHERE id = ? AND state IN ({_OPEN})"  # noqa: S608


class SqliteLedgerWriter:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
        return await self._database.write_by_driver(partial(_write, entries))

    async def close(self) -> None:
        """The thread is the database's."""


def _write(entries: Sequence[Entry], connection: sqlite3.Connection) -> set[tuple[UploadId, str]]:
    if all(entry.receipt.is_plain for entry in entries) and insert_plain(
        connection, [(*range_row(entry), entry.token) for entry in entries]
    ):
        return {entry.lease for entry in entries}
    connection.execute("BEGIN IMMEDIATE")
    standing = _write_all(connection, entries)
    connection.execute("COMMIT")
    return standing


def _write_all(connection: sqlite3.Connection, entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
    leases = {entry.lease: _RANGE_LEASE_STANDS if entry.is_of_range else _LEASE_STANDS for entry in entries}
    standing = {lease for lease, query in leases.items() if connection.execute(query, lease).fetchone()}
    accepted = [entry for entry in entries if entry.lease in standing]
    connection.executemany(_INSERT, map(range_row, accepted))
    for entry in accepted:
        if not entry.receipt.is_plain:
            _write_changes(connection, entry)
    return standing


def _write_changes(connection: sqlite3.Connection, entry: Entry) -> None:
    receipt = entry.receipt
    if receipt.folds:
        connection.execute(_FOLD, (receipt.upload_id, receipt.extent.range.start, receipt.extent.range.end))
    if receipt.state is not None:
        connection.execute(
            "UPDATE uploads SET state = ? WHERE id = ? AND state IN (SELECT value FROM json_each(?))",
            (receipt.state.value, receipt.upload_id, _json(before(receipt.state))),
        )
    if receipt.expires_at is not None:
        connection.execute(_PROLONG, (_instant(receipt.expires_at), receipt.upload_id))


def _json(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _instant(value: datetime) -> str:
    """As the Instant type of tables.py has SQLAlchemy write it."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
