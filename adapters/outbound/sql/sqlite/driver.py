"""aiosqlite with fewer trips to its thread: SQLAlchemy makes four or five a statement, this needs one or two."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import aiosqlite

_FETCH_SIZE = 64


class LazyConnection(aiosqlite.Connection):
    """For use as SQLAlchemy's ``async_creator``; transactions begin where somebody says so."""

    _stopped: "asyncio.Future[Any] | None" = None

    @classmethod
    async def open(cls, path: str, *, busy_seconds: float) -> Self:
        def connect() -> sqlite3.Connection:
            return sqlite3.connect(path, isolation_level=None, timeout=busy_seconds)

        connection = cls(connect, _FETCH_SIZE)
        connection._thread.daemon = True  # as SQLAlchemy does: a forgotten close must not keep a program alive
        return await connection._opened()

    async def _opened(self) -> Self:
        try:
            _ = await self
        except BaseException:
            if self._stopped is not None:
                await asyncio.wait({self._stopped})  # else its thread reports to a loop that may be gone by then
            raise
        return self

    def stop(self) -> "asyncio.Future[Any] | None":
        self._stopped = super().stop()
        return self._stopped

    def cursor(self) -> "LazyCursor":  # type: ignore[override]  # SQLAlchemy asks for no more than this one gives
        return LazyCursor(self)

    async def rollback(self) -> None:
        if self.in_transaction:  # SQLAlchemy also calls it to make sure
            await super().rollback()


class LazyCursor:
    """Made with its first statement, gone with its last row."""

    arraysize = 1

    def __init__(self, connection: LazyConnection) -> None:
        self._connection = connection
        self._cursor: aiosqlite.Cursor | None = None

    @property
    def description(self) -> Sequence[Any] | None:
        return self._cursor.description if self._cursor else None

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount if self._cursor else -1

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid if self._cursor else None

    async def execute(self, statement: str, parameters: Iterable[Any] | None = None) -> Self:
        self._cursor = await self._connection.execute(statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Self:
        self._cursor = await self._connection.executemany(statement, parameters)
        return self

    async def fetchall(self) -> Iterable[Any]:
        return await self._cursor.fetchall() if self._cursor else ()

    async def close(self) -> None:
        # All rows have been fetched by now, so nothing of it is left in SQLite.
        self._cursor = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
