"""Connections to SQLite's file, made ready; the standard library is enough, for the process that keeps receipts."""

import sqlite3
import time
from collections.abc import Iterable

BUSY_SECONDS = 10.0


def connect_sqlite(
    path: str, *, durable: bool, foreign_keys: bool = True, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """For use in one thread at a time; transactions begin where somebody says so."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _pragmas(durable=durable, foreign_keys=foreign_keys, busy_seconds=busy_seconds):
            connection.execute(pragma)
        _become_wal(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _pragmas(*, durable: bool, foreign_keys: bool, busy_seconds: float) -> Iterable[str]:
    yield f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}"
    yield f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}"
    yield "PRAGMA fullfsync = ON"  # macOS: fsync alone leaves the bytes in the drive's cache
    yield f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}"
    yield f"PRAGMA journal_size_limit = {64 * 1024 * 1024}"


def _become_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on, once in a file's life; in doing that SQLite does not wait for others."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            # Where a filesystem can't do it the old mode stays, as durable and slower.
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)
