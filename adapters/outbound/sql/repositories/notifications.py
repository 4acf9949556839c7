"""Notifications as rows. Contract: tests/contract/test_notifications.py."""

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, true

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.tables import notifications
from domain.events import Event, event_from_values, event_to_values
from domain.ids import OwnerId
from domain.notification import Notification, is_notifying
from ports.notifications import Notifications

log = logging.getLogger(__name__)

_c = notifications.c
_IN_ORDER = 0x6E6F7469667921  # an advisory lock's number, any that nobody else has


class SqlNotifications(Notifications):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def after(self, owner: OwnerId | None, number: int, *, limit: int) -> Sequence[Notification]:
        following = select(_c.number, _c.event).where(_of(owner), _c.number > number)
        rows = await self._transaction.read(following.order_by(_c.number).limit(limit))
        return [one for row in rows if (one := _notification(row["number"], row["event"])) is not None]

    async def number_of(self, owner: OwnerId | None, event_id: str) -> int | None:
        named = select(func.min(_c.number).label("number")).where(_c.event_id == event_id, _of(owner))
        [row] = await self._transaction.read(named)
        return row["number"] if row["number"] is None else int(row["number"])

    async def newest(self, owner: OwnerId | None) -> tuple[int, str] | None:
        last = select(_c.number, _c.event_id).where(_of(owner)).order_by(_c.number.desc()).limit(1)
        rows = await self._transaction.read(last)
        return next(((int(row["number"]), str(row["event_id"])) for row in rows), None)

    async def forget(self, *, before: datetime, limit: int) -> int:
        old = await self._transaction.read(select(_c.number).where(_c.created_at < before).limit(limit))
        if not old:
            return 0  # which has cost no turn to write
        forgetting = delete(notifications).where(_c.number.in_([row["number"] for row in old]))
        return await self._transaction.write(lambda connection: connection.execute(forgetting).rowcount)


async def keep(events: Iterable[Event], transaction: Transaction) -> None:
    """Keep those that notify somebody, as the last thing before the commit."""
    rows = [
        {
            "owner": event.owner,
            "event_id": event.id,
            "event": json.dumps(event_to_values(event)),
            "created_at": event.time,
        }
        for event in events
        if is_notifying(event)
    ]

    def insert_all(connection: Connection) -> None:
        if not transaction.is_sqlite:
            # Who has a number first commits first: else a reader could pass by a number that is yet to be seen.
            connection.execute(select(func.pg_advisory_xact_lock(_IN_ORDER)))
        connection.execute(insert(notifications), rows)

    if rows:
        await transaction.change(insert_all)


def _of(owner: OwnerId | None) -> ColumnElement[bool]:
    return true() if owner is None else _c.owner == owner


def _notification(number: int, text: str) -> Notification | None:
    try:
        event = event_from_values(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a notification is of a version to come: %r", error)
        return None
    return Notification(number, event) if is_notifying(event) else None
