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

from adapters.outbound.sql.errors import is_full

Result = TypeVar("Result")
_Call = tuple[Callable[[Connection], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class OneThread:
    """One call at a time in a thread that stays: half the way of an executor's, for there is nothing to choose.

    A call that fails costs the connection, which undoes what was begun: a new one knows nothing of the fault.
    ``before``: called before each, in the thread. ``finds_room``: asked there when the disk is full; if it has found
    some, the call is made once more.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        *,
        before: Callable[[sqlite3.Connection], None] | None = None,
        finds_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._name = name
        self._thread: threading.Thread | None = None
        # SQLAlchemy puts statements together and makes values of columns; transactions are the callers', by the driver.
        self._engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
        self._connection: Connection | None = None
        self._before = before
        self._finds_room = finds_room

    def run(self, work: Callable[[Connection], Result]) -> "asyncio.Future[Result]":
        """Who stops waiting harms nobody: the work is done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[Result] = loop.create_future()
        self._calls.put((work, loop, over))
        return over

    def undo(self) -> None:
        """Have it roll back what is begun and not committed by then, before it does anything that comes later."""
        if self._thread is not None:
            self.run(lambda connection: driver_of(connection).rollback()).cancel()

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            await asyncio.to_thread(thread.join)

    # In the thread

    def _work(self) -> None:
        while call := self._calls.get():
            work, loop, over = call
            try:
                tell = partial(_tell, over.set_result, over, self._do(work))
            except BaseException as error:  # noqa: BLE001 -- raised again where it is awaited
                tell = partial(_tell, over.set_exception, over, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell)
        self._disconnect()

    def _do(self, work: Callable[[Connection], Result], *, again: bool = True) -> Result:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            if self._before is not None:
                self._before(driver_of(self._connection))
            return work(self._connection)
        except BaseException as error:
            self._disconnect()
            if not (again and is_full(error) and self._finds_room()):
                raise
        return self._do(work, again=False)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def driver_of(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _tell(tell: Callable[[Any], None], over: "asyncio.Future[Any]", what: object) -> None:
    if not over.cancelled():
        tell(what)
