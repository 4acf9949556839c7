"""A transaction on SQLite that stays open while its owner does other things: for who needs a result to go on with."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from sqlalchemy import Connection

from adapters.outbound.sql.sqlite.one_thread import OneThread, driver_of
from adapters.outbound.sql.sqlite.trips import Outcome, Work, outcome_of
from adapters.outbound.sql.sqlite.turns import Turns
from domain.errors import RepositoryUnavailable

T = TypeVar("T")


class OpenTransaction:
    """The turn to write is its owner's until it leaves, or for ``patience_seconds`` after its first statement.

    What is not committed by then is undone, by the thread and before it does anything for the next one: whether the
    owner is slow, was cancelled, or has left while a statement was still under way.
    """

    def __init__(self, thread: OneThread, turns: Turns, *, patience_seconds: float) -> None:
        self._thread = thread
        self._turns = turns
        self._patience_seconds = patience_seconds
        self._is_ours = False
        self._timer: asyncio.TimerHandle | None = None

    async def run_sync(self, work: Work[T]) -> T:
        """What ``work`` returns, or raises.

        Raises:
            RepositoryUnavailable: the transaction has been undone, for its owner was too slow, or the disk is full.
        """
        if self._timer is not None:
            return cast("T", await self._do(partial(_within, work)))
        try:
            return cast("T", await self._do(partial(_first, work)))
        finally:
            if self._is_ours:
                self._timer = asyncio.get_running_loop().call_later(self._patience_seconds, self._end)

    async def commit(self) -> None:
        await self._do(partial(_within, lambda connection: driver_of(connection).execute("COMMIT")))

    async def _do(self, work: Callable[[Connection], Outcome]) -> Any:  # noqa: ANN401 -- as the work says
        if not self._is_ours:
            raise RepositoryUnavailable("the transaction was open for too long and has been undone")
        return (await self._thread.run(work)).result()

    async def __aenter__(self) -> Self:
        await self._turns.take(urgent=False)
        self._is_ours = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._is_ours:
            self._is_ours = False
            if self._timer is not None:
                self._timer.cancel()
            self._thread.undo()
            self._turns.pass_on()


def _first(work: Work[T], connection: Connection) -> Outcome:
    driver_of(connection).execute("BEGIN IMMEDIATE")
    return outcome_of(work, connection)


def _within(work: Work[T], connection: Connection) -> Outcome:
    if not driver_of(connection).in_transaction:
        raise RepositoryUnavailable("SQLite has undone the transaction")  # as it may when the disk is full
    return outcome_of(work, connection)
