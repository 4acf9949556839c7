"""Rows of files that came whole, ready made, written to SQLite with all that came beside them in one commit.

The standard library is enough here, as in ``plain_receipts.py``. ``file_records.py`` makes the rows; they travel as
``marshal`` has them, for both ends are the same Python, and JSON takes ten times as long.
"""

import marshal
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

FileRow = tuple[str, tuple[str, ...], tuple[Any, ...]]
"""Table, columns, values; events in the outbox come last."""
PlainFile = tuple[str, int | None, Sequence[FileRow]]
"""The owner, how many files they may have with this one (None: any number), and the rows."""


class NotAllowed(sqlite3.Error):
    """One of them is one too many. Which one, those are told that are kept one by one."""


def insert_files(connection: sqlite3.Connection, texts: Sequence[bytes]) -> list[int]:
    """Commit them, at least one; return the number that each one's first event has in the outbox."""
    files: list[PlainFile] = [marshal.loads(text) for text in texts]  # noqa: S302 -- our own process wrote it
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
    events = [sum(table == "outbox" for table, _, _ in rows) for _, _, rows in files]
    first = last + 1 - sum(events)  # within one transaction they follow one another
    return list(accumulate(events[:-1], initial=first))


def _statements(files: Iterable[PlainFile]) -> Mapping[str, list[tuple[Any, ...]]]:
    """With the rows of each; in the order of the first file, for rows refer to those before them."""
    found: defaultdict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]] = defaultdict(list)
    for _, _, rows in files:
        for table, columns, values in rows:
            found[table, columns].append(values)
    return {
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})": rows  # noqa: S608
        for (table, columns), rows in found.items()
    }


def _check(connection: sqlite3.Connection, files: Iterable[PlainFile]) -> None:
    limits = {owner: most for owner, most, _ in files if most is not None}
    for owner, most in limits.items():
        [count] = connection.execute("SELECT files FROM usage WHERE owner = ?", (owner,)).fetchone()
        if count > most:
            raise NotAllowed(owner)
