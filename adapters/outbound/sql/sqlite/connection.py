"""Connections to SQLite's file, made ready; the standard library is enough, for the process that keeps receipts."""

import sqlite3
import time
from collections.abc import Iterable
from typing import Protocol

BUSY_SECONDS = 10.0


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def fetchone(self) -> tuple[str]: ...
    def close(self) -> None: ...


class SqliteConnection(Protocol):
    """What sqlite3's own connections and SQLAlchemy's disguise of aiosqlite's have in common."""

    def cursor(self) -> _Cursor: ...


def connect_sqlite(path: str, *, durable: bool, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """For use in one thread at a time; transactions begin where somebody says so."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        prepare_sqlite(connection, durable=durable, busy_seconds=busy_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_sqlite(
    connection: SqliteConnection, *, durable: bool = True, foreign_keys: bool = True, busy_seconds: float = BUSY_SECONDS
) -> None:
    cursor: _Cursor = connection.cursor()
    try:
        _run(cursor, _pragmas(durable=durable, foreign_keys=foreign_keys, busy_seconds=busy_seconds))
        _become_wal(cursor)
    finally:
        cursor.close()


def _pragmas(*, durable: bool, foreign_keys: bool, busy_seconds: float) -> Iterable[str]:
    yield f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}"
    yield f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}"
    yield "PRAGMA fullfsync = ON"  # macOS: fsync alone leaves the bytes in the drive's cache
    yield f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}"
    yield f"PRAGMA journal_size_limit = {64 * 1024 * 1024}"


def _run(cursor: _Cursor, statements: Iterable[str]) -> None:
    for statement in statements:
        cursor.execute(statement)


def _become_wal(cursor: _Cursor) -> None:
    """Turn write-ahead logging on, once in a file's life; in doing that SQLite does not wait for others."""
    cursor.execute("PRAGMA journal_mode")
    if cursor.fetchone()[0] == "wal":
        return
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            # Where a filesystem can't do it the old mode stays, as durable and slower.
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)
