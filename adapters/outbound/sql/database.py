"""The connection to SQLite or PostgreSQL: settings that make commits durable, and one kind of transaction."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from sqlalchemy import URL, Connection, Executable, RowMapping, make_url, text

from adapters.outbound.sql.errors import translated
from adapters.outbound.sql.sqlite.connection import BUSY_SECONDS, connect_sqlite
from adapters.outbound.sql.sqlite.one_thread import OneThread, driver_of
from adapters.outbound.sql.sqlite.open_transaction import OpenTransaction
from adapters.outbound.sql.sqlite.trips import ReadTrips, Work, WriteTrips
from adapters.outbound.sql.sqlite.turns import Turns
from ports.health import HealthCheck

if TYPE_CHECKING:
    # It imports the ORM, 5 MiB and a tenth of the start, which a server on SQLite does without.
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class Reserve(Protocol):
    """Room for SQLite's own use on a disk that others have filled."""

    def give_way(self) -> bool:
        """Have some room where there is little; return whether there was. In any thread."""

    def give_up_some(self) -> bool:
        """Have some more room; return whether there was some to be had."""


_QUEUE_SECONDS = 30.0  # while our own queue moves, to wait is better than to come again
_OPEN_SECONDS = 5.0  # that others wait for a transaction which is left open
_CONNECT_SECONDS = 5.0
_POOL_SECONDS = 5.0
_COMMAND_SECONDS = 15.0
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",  # that driver once was ours; its name stays good
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


class Database(HealthCheck):
    """Everything here that talks to the database does so through one of these; close it at the end.

    ``durable=False`` gives up the promise that a commit outlives a power cut; for benchmarks. ``reserve_at``: makes a
    reserve beside SQLite's file, under the path that it is given.
    """

    def __init__(
        self, url: str, *, durable: bool = True, reserve_at: Callable[[Path], Reserve | None] = lambda _: None
    ) -> None:
        self.url = normalised(url)
        self.durable = durable
        self.reserve: Reserve | None = None
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # On SQLite the tasks of this process queue here, instead of polling for the file's one write lock.
        self.turns = Turns()
        if self.is_sqlite:
            self.reserve = reserve_at(Path(f"{self.sqlite_path}-ballast"))
            self._reading = OneThread("reads", self.connect_sqlite, finds_room=self._find_room)
            self._writing = OneThread("writes", self.connect_sqlite, before=self._have_room, finds_room=self._find_room)
            self._read_trips = ReadTrips(self._reading, patience_seconds=_QUEUE_SECONDS)
            self._write_trips = WriteTrips(self._writing, turn=self.write_turn, patience_seconds=_QUEUE_SECONDS)
        else:
            self._engine = self._postgresql_engine()
            self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def transaction(self) -> "Transaction":
        return Transaction(self)

    async def read(self, work: Work[T], *, urgent: bool = False) -> T:
        """Do ``work`` without a transaction: each statement sees what is committed when it starts.

        ``urgent``: on SQLite it does not wait behind all others; for what is done for many at once.
        """
        with translated():
            if self.is_sqlite:
                return await self._read_trips.do(work, urgent=urgent)
            async with self.reading() as connection:
                return await connection.run_sync(work)

    async def write(self, work: Work[T], *, urgent: bool = False) -> T:
        """Do ``work`` in a transaction and commit it; on SQLite those who wait share one. ``urgent``: as above."""
        with translated():
            if self.is_sqlite:
                return await self._write_trips.do(work, urgent=urgent)
            async with self.writing() as connection:
                result = await connection.run_sync(work)
                await connection.commit()
                return result

    async def write_by_driver(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """SQLite only: do ``work``, which begins and ends its transaction by itself; it is urgent."""
        async with self.write_turn(urgent=True):
            return await self._writing.run(lambda connection: work(driver_of(connection)))

    async def check(self) -> None:
        with translated():
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self.read(lambda connection: connection.execute(text("SELECT 1")), urgent=True)

    async def close(self) -> None:
        if self.is_sqlite:
            for trips, thread in ((self._read_trips, self._reading), (self._write_trips, self._writing)):
                await trips.close()
                await thread.close()
        else:
            await self._engine.dispose()

    @asynccontextmanager
    async def write_turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """This process's turn to write to SQLite.

        Raises:
            RepositoryUnavailable: the turn did not come in time.
        """
        await self.turns.take(urgent=urgent)
        try:
            yield
        finally:
            self.turns.pass_on()

    def writing(self) -> AbstractAsyncContextManager["WritingConnection"]:
        """A connection in a transaction that may write from the start on; undone unless committed."""
        if self.is_sqlite:
            return OpenTransaction(self._writing, self.turns, patience_seconds=_OPEN_SECONDS)
        return self._engine.connect()

    def reading(self) -> "AsyncConnection":
        """PostgreSQL only: a connection without a transaction, each statement sees what is committed when it starts.

        Open while ``async with`` lasts; or from ``await`` to ``close``.
        """
        return self._autocommit.connect()

    def connect_sqlite(self, *, foreign_keys: bool = True, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
        """A connection of one's own, for use in one thread at a time."""
        if self.reserve is not None:
            self.reserve.give_way()  # the first connection makes files
        return connect_sqlite(
            self.sqlite_path, durable=self.durable, foreign_keys=foreign_keys, busy_seconds=busy_seconds
        )

    @property
    def sqlite_path(self) -> str:
        path = self.url.database
        if not path or path == ":memory:":
            raise ValueError("a SQLite database needs a file: it is opened by more than one connection")
        return path

    def _have_room(self, connection: sqlite3.Connection) -> None:
        """Where there is little, the write-ahead log begins at its start again: what it has of the disk is enough."""
        if self.reserve is not None and self.reserve.give_way() and not connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(RESTART)")

    def _find_room(self) -> bool:
        return self.reserve is not None and self.reserve.give_up_some()

    def _postgresql_engine(self) -> "AsyncEngine":
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 -- as above

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


class WritingConnection(Protocol):
    async def run_sync(self, work: Work[T], /) -> T: ...
    async def commit(self) -> None: ...


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
        self._connection: WritingConnection | None = None
        self._writes = False

    @property
    def is_sqlite(self) -> bool:
        return self._database.is_sqlite

    async def read(self, statement: Executable, values: dict[str, Any] | None = None) -> Sequence[RowMapping]:
        def run(connection: Connection) -> Sequence[RowMapping]:
            return connection.execute(statement, values).mappings().all()

        with translated():
            if self._writes or self._put_off:
                return await self._do(run)
            if self.is_sqlite:
                return await self._database.read(run)
            if self._connection is None:
                self._connection = await self._stack.enter_async_context(self._database.reading())
            return await self._connection.run_sync(run)

    async def write(self, work: Work[T]) -> T:
        """Do ``work`` now, for what it returns."""
        with translated():
            return await self._do(work)

    async def change(self, work: Work[object]) -> None:
        """Have ``work`` done before whatever else is asked for, at the latest by ``commit``, which raises its error."""
        if self.is_sqlite:
            self._put_off.append(work)
        else:
            await self.write(work)

    async def commit(self) -> None:
        with translated():
            if self._writes:
                if self._put_off:
                    await self._do(lambda _: None)
                await self._connected().commit()
            elif self._put_off:
                await self._database.write(self._all_put_off(lambda _: None))
            await self._end()

    async def _do(self, work: Work[T]) -> T:
        """Within a transaction that may write, after what has been put off."""
        if not self._writes:
            await self._end()
            self._connection = await self._stack.enter_async_context(self._database.writing())
            self._writes = True
        return await self._connected().run_sync(self._all_put_off(work))

    def _all_put_off(self, work: Work[T]) -> Work[T]:
        works, self._put_off = self._put_off, []

        def run(connection: Connection) -> T:
            for put_off in works:
                put_off(connection)
            return work(connection)

        return run

    def _connected(self) -> WritingConnection:
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
