"""SQLite for many at once: what waits goes to a thread together, in one trip; what changes something, in one commit.

A trip costs a busy event loop one round there and one back, and a commit an fsync, for one as for a hundred.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.sqlite.one_thread import OneThread, driver_of

T = TypeVar("T")
Work = Callable[[Connection], T]
"""Statements, and what depends on their results. It runs in another thread and waits for nothing but the database."""

_MAX_TOGETHER = 64
_TRIP_SECONDS = 0.25  # what is urgent waits no longer for a trip that has begun


@dataclass(eq=False, slots=True)
class _Item:
    work: Work[Any]
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What work returned or raised, on its way back from the thread."""

    value: Any = None
    error: Exception | None = None
    is_put_off: bool = False

    def result(self) -> Any:  # noqa: ANN401 -- the work's own
        if self.error is not None:
            raise self.error
        return self.value


class WriteTurn(Protocol):
    def __call__(self, *, urgent: bool) -> AbstractAsyncContextManager[None]: ...


class ReadTrips:
    """Each statement sees what is committed when it starts. Work that fails harms none of the others'."""

    def __init__(self, thread: OneThread, *, patience_seconds: float) -> None:
        self._thread = thread
        self._patience_seconds = patience_seconds
        self._urgent = Batches[_Item, Outcome](partial(self._travel, urgent=True), limit=_MAX_TOGETHER)
        self._others = Batches[_Item, Outcome](partial(self._travel, urgent=False), limit=_MAX_TOGETHER)

    async def do(self, work: Work[T], *, urgent: bool) -> T:
        """What ``work`` returns, or raises.

        Raises:
            TimeoutError: its time did not come. It is not begun any more; but what is under way by then is done.
        """
        batches = self._urgent if urgent else self._others
        item = _Item(work)
        try:
            async with asyncio.timeout(self._patience_seconds):
                while (outcome := await batches.submit(item)).is_put_off:
                    pass
        except BaseException:
            item.is_given_up = True
            raise
        return cast("T", outcome.result())

    async def close(self) -> None:
        """Return once all that waits is done."""
        await self._others.close()
        await self._urgent.close()

    async def _travel(self, items: Sequence[_Item], *, urgent: bool) -> Sequence[Outcome]:
        return await self._thread.run(partial(self._do_all, items))

    # In the thread

    def _do_all(self, items: Sequence[_Item], connection: Connection) -> Sequence[Outcome]:
        return [_do(item, connection) for item in items]


class WriteTrips(ReadTrips):
    """All work of one trip is one transaction; what fails in it is undone alone."""

    def __init__(self, thread: OneThread, *, turn: WriteTurn, patience_seconds: float) -> None:
        super().__init__(thread, patience_seconds=patience_seconds)
        self._turn = turn

    async def _travel(self, items: Sequence[_Item], *, urgent: bool) -> Sequence[Outcome]:
        async with self._turn(urgent=urgent):
            return await super()._travel(items, urgent=urgent)

    def _do_all(self, items: Sequence[_Item], connection: Connection) -> Sequence[Outcome]:
        driver = driver_of(connection)
        driver.execute("BEGIN IMMEDIATE")
        until = time.monotonic() + _TRIP_SECONDS
        outcomes = [
            _do_or_undo(item, connection, driver) if time.monotonic() < until else Outcome(is_put_off=True)
            for item in items
        ]
        driver.execute("COMMIT")
        return outcomes


def outcome_of(work: Work[T], connection: Connection) -> Outcome:
    try:
        return Outcome(work(connection))
    except Exception as error:  # noqa: BLE001 -- raised again where it is waited for
        return Outcome(error=error)


def _do(item: _Item, connection: Connection) -> Outcome:
    return Outcome() if item.is_given_up else outcome_of(item.work, connection)


def _do_or_undo(item: _Item, connection: Connection, driver: sqlite3.Connection) -> Outcome:
    driver.execute("SAVEPOINT item")
    outcome = _do(item, connection)
    if outcome.error is not None:
        if not driver.in_transaction:
            raise outcome.error  # SQLite has undone all of it, as it may when the disk is full
        driver.execute("ROLLBACK TO item")
    driver.execute("RELEASE item")
    return outcome
