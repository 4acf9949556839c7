"""Events, kept in the transaction that made them true until they are published.
Contract: tests/contract/test_outbox.py."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select

from adapters.outbound.sql.database import Database, Transaction
from adapters.outbound.sql.tables import outbox
from domain.errors import Unavailable
from domain.events import Event, event_from_values, event_to_values
from ports.outbox import Outbox
from ports.progress_notifier import ProgressNotifier

_BATCH = 500
_FORGET_SECONDS = 1.0
_UNREADABLE_FOR = timedelta(days=1)

log = logging.getLogger(__name__)


class SqlOutbox(Outbox):
    """Publishing is on the caller's path, forgetting is not: what was published is deleted a second later,
    all of it in one statement. A crash before that publishes it twice."""

    def __init__(self, database: Database, notifier: ProgressNotifier) -> None:
        self._database = database
        self._notifier = notifier
        self._published: list[int] = []
        self._forgetting: asyncio.Task[None] | None = None

    async def keep(self, events: Sequence[Event], transaction: Transaction) -> list[int]:
        """Keep ``events`` if ``transaction`` is committed; return a list that has their numbers from then on."""
        rows = [event_to_row(event) for event in events]
        statement = insert(outbox).returning(outbox.c.id, sort_by_parameter_order=True)
        numbers: list[int] = []

        def keep(connection: Connection) -> None:
            numbers.extend(connection.execute(statement, rows).scalars())

        await transaction.change(keep)
        return numbers

    def publish(self, events: Sequence[Event], numbers: Sequence[int]) -> None:
        """Publish what has just been committed."""
        for event in events:
            self._notifier.publish(event)
        self._published += numbers
        if self._forgetting is None:
            self._forgetting = asyncio.get_running_loop().create_task(self._forget_soon())

    async def publish_left(self, *, older_than: datetime) -> int:
        count, last = 0, 0
        await self._forget()  # what we have published ourselves is not left
        while True:
            left = select(outbox).where(outbox.c.created_at < older_than, outbox.c.id > last).order_by(outbox.c.id)
            async with self._database.transaction() as transaction:
                if not await transaction.read(left.limit(1)):
                    return count  # mostly so, and it has cost no turn to write
                # Held until they are forgotten: of several processes that look at the same moment one publishes them.
                rows = await transaction.write(_fetching(left.limit(_BATCH).with_for_update()))
                done = [row["id"] for row in rows if self._publish_row(row)]
                old = [row["id"] for row in rows if row["created_at"] < older_than - _UNREADABLE_FOR]
                if done or old:
                    await transaction.write(_deleting([*done, *old]))
                await transaction.commit()
            count += len(done)
            last = rows[-1]["id"] if rows else last

    def _publish_row(self, row: RowMapping) -> bool:
        """Whether it could be read: another version's event is left to a process of that version."""
        try:
            event = event_from_values(json.loads(row["event"]))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("an event in the outbox can't be read: %r", error)
            return False
        self._notifier.publish(event)
        return True

    async def close(self) -> None:
        """Forget at once what has been published."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.wait({self._forgetting})
        with contextlib.suppress(Unavailable):
            await self._forget()

    async def _forget_soon(self) -> None:
        try:
            while self._published:
                await asyncio.sleep(_FORGET_SECONDS)
                try:
                    await self._forget()
                except Unavailable as error:
                    log.warning("published events are still in the outbox: %s", error)
        finally:
            self._forgetting = None

    async def _forget(self) -> None:
        while self._published:
            numbers = self._published[:_BATCH]
            await self._delete(numbers)
            forgotten = set(numbers)
            self._published = [number for number in self._published if number not in forgotten]

    async def _delete(self, numbers: Sequence[int]) -> None:
        await self._database.write(_deleting(numbers))


def _fetching(statement: Select[Any]) -> Callable[[Connection], Sequence[RowMapping]]:
    return lambda connection: connection.execute(statement).mappings().all()


def _deleting(numbers: Sequence[int]) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(delete(outbox).where(outbox.c.id.in_(numbers)))


def event_to_row(event: Event) -> dict[str, object]:
    return {"event": json.dumps(event_to_values(event)), "created_at": event.time}
