"""The connection to SQLite or PostgreSQL: settings that make commits durable, and one kind of transaction."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Executable,
    RowMapping,
    event,
    make_url,
    text,
)

from adapters.outbound.sql.engine import AsyncConnection, AsyncEngine, create_async_engine
from adapters.outbound.sql.errors import translated
from adapters.outbound.sql.sqlite.connection import BUSY_SECONDS, SqliteConnection, connect_sqlite, prepare_sqlite
from adapters.outbound.sql.sqlite.driver import LazyConnection
from adapters.outbound.sql.sqlite.trips import ReadTrips, Work, WriteTrips
from adapters.outbound.sql.sqlite.turns import Turns
from ports.health import HealthCheck

T = TypeVar("T")

_QUEUE_SECONDS = 30.0  # while our own queue moves, to wait is better than to come again
_CONNECT_SECONDS = 5.0
_POOL_SECONDS = 5.0
_COMMAND_SECONDS = 15.0
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


class Database(HealthCheck):
    """Everything here that talks to the database does so through one of these; close it at the end.

    ``durable=False`` gives up the promise that a commit outlives a power cut; for benchmarks.
    """

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self.url = normalised(url)
        self.durable = durable
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._sqlite_engine() if self.is_sqlite else self._postgresql_engine()
        # On SQLite the tasks of this process queue here, instead of polling for the file's one write lock.
        self.turns = Turns()
        self._read_trips: ReadTrips | None = None
        self._write_trips: WriteTrips | None = None
        if self.is_sqlite:
            self._read_trips = ReadTrips("reads", self.connect_sqlite, patience_seconds=_QUEUE_SECONDS)
            self._write_trips = WriteTrips(
                "writes", self.connect_sqlite, turn=self.write_turn, patience_seconds=_QUEUE_SECONDS
            )
            self._readers = self.engine
            self._writers = self.engine.execution_options(longshore_writes=True)
        else:
            self._readers = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._writers = self.engine

    def transaction(self) -> "Transaction":
        return Transaction(self)

    async def read(self, work: Work[T], *, urgent: bool = False) -> T:
        """Do ``work`` without a transaction: each statement sees what is committed when it starts.

        ``urgent``: on SQLite it does not wait behind all others; for what is done for many at once.
        """
        with translated():
            if self._read_trips is not None:
                return await self._read_trips.do(work, urgent=urgent)
            async with self.reading() as connection:
                return await connection.run_sync(work)

    async def write(self, work: Work[T], *, urgent: bool = False) -> T:
        """Do ``work`` in a transaction and commit it; on SQLite those who wait share one. ``urgent``: as above."""
        with translated():
            if self._write_trips is not None:
                return await self._write_trips.do(work, urgent=urgent)
            async with self.writing() as connection:
                result = await connection.run_sync(work)
                await connection.commit()
                return result

    async def check(self) -> None:
        with translated():
            async with asyncio.timeout(_CONNECT_SECONDS), self._readers.connect() as connection:
                await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        for trips in (self._read_trips, self._write_trips):
            if trips is not None:
                await trips.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def write_turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """This process's turn to write; with PostgreSQL everybody's turn is now.

        Raises:
            RepositoryUnavailable: the turn did not come in time.
        """
        if not self.is_sqlite:
            yield
            return
        await self.turns.take(urgent=urgent)
        try:
            yield
        finally:
            self.turns.pass_on()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction: each statement sees what is committed when it starts."""
        async with self._readers.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that may write from the start on; undone unless committed."""
        async with self.write_turn(), self._writers.connect() as connection:
            yield connection

    async def connect(self) -> AsyncConnection:
        """A connection of one's own, without a transaction, to keep and to close."""
        return await self._readers.connect()

    def connect_sqlite(self) -> sqlite3.Connection:
        """A connection of one's own beside the pool's, for use in one thread at a time."""
        return connect_sqlite(self.sqlite_path, durable=self.durable)

    async def open_sqlite(self, *, busy_seconds: float = BUSY_SECONDS) -> LazyConnection:
        """A connection that has not been prepared yet, for an engine."""
        return await LazyConnection.open(self.sqlite_path, busy_seconds=busy_seconds)

    @property
    def sqlite_path(self) -> str:
        path = self.url.database
        if not path or path == ":memory:":
            raise ValueError("a SQLite database needs a file: it is opened by more than one connection")
        return path

    def _sqlite_engine(self) -> AsyncEngine:
        _ = self.sqlite_path
        engine = create_async_engine(
            self.url,
            async_creator=self.open_sqlite,
            pool_size=4,
            max_overflow=8,
            pool_timeout=_POOL_SECONDS,
        )

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: SqliteConnection, _record: object) -> None:
            prepare_sqlite(connection, durable=self.durable)

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            if connection.get_execution_options().get("longshore_writes"):
                # One that reads first and then writes could fail at once; this one waits for its turn.
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _postgresql_engine(self) -> AsyncEngine:
        settings = {
            "application_name": "longshore",
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",  # our statements are small; compiling them costs more than running them
        }
        if not self.durable:
            settings["synchronous_commit"] = "off"
        return create_async_engine(
            self.url,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _COMMAND_SECONDS,
                "server_settings": settings,
            },
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=8,
            pool_timeout=_POOL_SECONDS,
        )


class Transaction:
    """``async with`` opens it; without ``commit`` everything is undone.

    Nothing is taken from the database before the first statement. Until the first write each read stands for
    itself; from then on reads and writes are one transaction. What must not change in between is guarded by
    the upload's lease.

    On SQLite changes are put off: where only the commit follows, they share one with others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put_off: list[Work[object]] = []
        self._stack = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self._writes = False

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    async def read(self, statement: Executable, values: dict[str, Any] | None = None) -> Sequence[RowMapping]:
        def run(connection: Connection) -> Sequence[RowMapping]:
            return connection.execute(statement, values).mappings().all()

        with translated():
            if self._put_off:
                _ = await self._begin()
            if self._writes:
                return await self._connected().run_sync(run)
            if self.is_sqlite:
                return await self._database.read(run)
            if self._connection is None:
                self._connection = await self._stack.enter_async_context(self._database.reading())
            return await self._connection.run_sync(run)

    async def write(
        self, statement: Executable, rows: Sequence[dict[str, Any]] | dict[str, Any] | None = None
    ) -> CursorResult[Any]:
        with translated():
            connection = await self._begin()
            return await connection.execute(statement, rows)

    async def change(self, work: Work[object]) -> None:
        """Have ``work`` done before whatever else is asked for, at the latest by ``commit``, which raises its error."""
        with translated():
            if self.is_sqlite and not self._writes:
                self._put_off.append(work)
            else:
                connection = await self._begin()
                await connection.run_sync(work)

    async def commit(self) -> None:
        with translated():
            if self._put_off:
                works, self._put_off = self._put_off, []
                await self._database.write(lambda connection: [work(connection) for work in works])
            elif self._writes:
                await self._connected().commit()
            await self._end()

    async def _begin(self) -> AsyncConnection:
        """The connection, in a transaction that may write; what has been put off is done."""
        if not self._writes:
            await self._end()
            self._connection = await self._stack.enter_async_context(self._database.writing())
            self._writes = True
        connection = self._connected()
        while self._put_off:
            await connection.run_sync(self._put_off.pop(0))
        return connection

    def _connected(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("the transaction has no connection")
        return self._connection

    async def _end(self) -> None:
        self._connection, self._writes = None, False
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection, self._writes = None, False
        self._put_off.clear()
        with translated() if error is None else nullcontext():
            await self._stack.__aexit__(kind, error, trace)


def normalised(url: str) -> URL:
    """``url`` with the drivers this project uses, whatever it names.

    Raises:
        ValueError: neither SQLite nor PostgreSQL.
    """
    parsed = make_url(url)
    try:
        return parsed.set(drivername=_DRIVERS[parsed.drivername])
    except KeyError:
        raise ValueError(f"not a database we know: {parsed.drivername}") from None
