"""A thread with one connection to SQLite's file: whatever uses the connection is done there, in order."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, NullPool, create_engine

Result = TypeVar("Result")
_Call = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class OneThread:
    """One call at a time in a thread that stays: half the way of an executor's, for there is nothing to choose.

    A call that fails costs the connection, which undoes what was begun: a new one knows nothing of the fault.
    """

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._name = name
        self._thread: threading.Thread | None = None
        # SQLAlchemy puts statements together and makes values of columns; transactions are the callers', by the driver.
        self._engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
        self._connection: Connection | None = None

    def run(self, work: Callable[[Connection], Result]) -> "asyncio.Future[Result]":
        """Who stops waiting harms nobody: the work is done."""
        return self._submit(partial(self._do, work))

    def undo(self) -> None:
        """Have it roll back what is begun and not committed by then, before it does anything that comes later."""
        if self._thread is not None:
            _ = self._submit(self._undo)

    async def close(self) -> None:
        if self._thread is not None:
            await self._submit(self._disconnect)
            self._thread = None
            self._calls.put(None)

    def _submit(self, call: Callable[[], Result]) -> "asyncio.Future[Result]":
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[Result] = loop.create_future()
        self._calls.put((call, loop, over))
        return over

    # In the thread

    def _work(self) -> None:
        while submitted := self._calls.get():
            call, loop, over = submitted
            try:
                tell = partial(_tell, over.set_result, over, call())
            except BaseException as error:  # noqa: BLE001 -- raised again where it is awaited
                tell = partial(_tell, over.set_exception, over, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell)

    def _do(self, work: Callable[[Connection], Result]) -> Result:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return work(self._connection)
        except BaseException:
            self._disconnect()
            raise

    def _undo(self) -> None:
        if self._connection is not None:
            self._do(lambda connection: driver_of(connection).rollback())

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def driver_of(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _tell(tell: Callable[[Any], None], over: "asyncio.Future[Any]", what: object) -> None:
    if not over.cancelled():
        tell(what)
