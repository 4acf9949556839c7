"""Rows of files that came whole, ready made, written to SQLite with all that came beside them in one commit.

The standard library is enough here, as in ``plain_receipts.py``. ``file_records.py`` makes the rows.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

File = Mapping[str, Any]
"""``rows``: ``[[table, {column: value}], …]``, events in the outbox last; ``owner``, and ``max_files`` that the owner
may have with this one (None: any number)."""


class NotAllowed(sqlite3.Error):
    """One of them is one too many. Which one, those are told that are kept one by one."""


def insert_files(connection: sqlite3.Connection, texts: Sequence[bytes]) -> list[int]:
    """Commit them, as JSON; return the number that each one's first event has in the outbox."""
    files = [json.loads(text) for text in texts]
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement, rows in _statements(files).items():
            connection.executemany(statement, rows)
        _check(connection, files)
        [last] = connection.execute("SELECT max(id) FROM outbox").fetchone()
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.rollback()
        raise
    events = [sum(table == "outbox" for table, _ in file["rows"]) for file in files]
    first = last + 1 - sum(events)  # within one transaction they follow one another
    return list(accumulate(events[:-1], initial=first))


def _statements(files: Iterable[File]) -> Mapping[str, list[tuple[Any, ...]]]:
    """With the rows of each; in the order of the first file, for rows refer to those before them."""
    rows: defaultdict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]] = defaultdict(list)
    for file in files:
        for table, row in file["rows"]:
            rows[table, tuple(row)].append(tuple(row.values()))
    return {
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})": values  # noqa: S608
        for (table, columns), values in rows.items()
    }


def _check(connection: sqlite3.Connection, files: Iterable[File]) -> None:
    limits = {file["owner"]: file["max_files"] for file in files if file["max_files"] is not None}
    for owner, limit in limits.items():
        [count] = connection.execute("SELECT files FROM usage WHERE owner = ?", (owner,)).fetchone()
        if count > limit:
            raise NotAllowed(owner)
