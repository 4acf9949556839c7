"""Receipts that are nothing but one more row, written to SQLite by one statement.

The standard library is enough here: the process that writes small chunks has nothing else. See docs/decisions/0023.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from adapters.outbound.sql.crc64 import signed
from adapters.outbound.sql.ledger.plain_files import insert_files
from adapters.outbound.sql.sqlite.connection import connect_sqlite
from domain.ids import UploadId

T = TypeVar("T")
PlainRow = tuple[UploadId, int, int, int | None, str]
"""Upload, first byte, one past the last one, CRC-64 as ``signed``, and the token of the lease that it stands under."""

_BUSY_SECONDS = 1.0
# It begins with INSERT, for only then sqlite3 counts the rows.
_INSERT = """
INSERT INTO received_ranges (upload_id, range_start, range_end, crc64)
WITH entry AS MATERIALIZED (
    SELECT json_extract(value, '$[0]') AS upload_id, json_extract(value, '$[1]') AS range_start,
        json_extract(value, '$[2]') AS range_end, json_extract(value, '$[3]') AS crc64,
        json_extract(value, '$[4]') AS token
    FROM json_each(?)
)
SELECT entry.upload_id, range_start, range_end, crc64 FROM entry
JOIN uploads ON uploads.id = entry.upload_id
JOIN upload_leases ON upload_leases.upload_id = entry.upload_id AND upload_leases.token = entry.token
WHERE true ON CONFLICT (upload_id, range_start, range_end) DO UPDATE SET crc64 = excluded.crc64
"""


def insert_plain(connection: sqlite3.Connection, rows: Sequence[PlainRow]) -> bool:
    """All of them in one statement, which is its own transaction; whether every lease stood.

    One, for each statement lets go of the interpreter's lock and has to wait for it again.
    """
    return connection.execute(_INSERT, (json.dumps(rows),)).rowcount == len(rows)


class PlainReceipts:
    """The ledger of a process that has no other; in one thread. ``path``: the database's file."""

    def __init__(self, path: str, *, durable: bool) -> None:
        self._path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None

    def record(self, receipts: Sequence[tuple[UploadId, int, int, int, str]]) -> bool:
        """Whether all are committed; if not, some may be. Rows as ``PlainRow``, but the CRC without a sign."""
        rows = [(upload_id, start, end, signed(crc64), token) for upload_id, start, end, crc64, token in receipts]
        return self._do(partial(insert_plain, rows=rows)) or False

    def keep(self, files: Sequence[bytes]) -> Sequence[int] | None:
        """As ``insert_files``; None if that failed."""
        return self._do(partial(insert_files, texts=files))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            if self._connection is None:
                self._connection = connect_sqlite(self._path, durable=self._durable, busy_seconds=_BUSY_SECONDS)
            return work(self._connection)
        except sqlite3.Error:
            self.close()  # a new connection knows nothing of the fault
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
