"""Notifications in memory. Contract: tests/contract/test_notifications.py."""

from collections.abc import Sequence
from datetime import datetime

from adapters.outbound.memory.database import MemoryDatabase
from domain.ids import OwnerId
from domain.notification import Notification
from ports.notifications import Notifications


class MemoryNotifications(Notifications):
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._forgotten = list[Notification]()  # not committed

    async def after(self, owner: OwnerId | None, number: int, *, limit: int) -> Sequence[Notification]:
        return [one for one in self._of(owner) if one.number > number][:limit]

    async def number_of(self, owner: OwnerId | None, event_id: str) -> int | None:
        return min((one.number for one in self._of(owner) if one.event.id == event_id), default=None)

    async def newest(self, owner: OwnerId | None) -> tuple[int, str] | None:
        return max(((one.number, one.event.id) for one in self._of(owner)), default=None)

    async def forget(self, *, before: datetime, limit: int) -> int:
        old = [one for one in self._all() if one.event.time < before][:limit]
        self._forgotten += old
        return len(old)

    def commit(self) -> None:
        self._database.notifications = self._all()
        self.undo()

    def undo(self) -> None:
        self._forgotten.clear()

    def _all(self) -> list[Notification]:
        return [one for one in self._database.notifications if one not in self._forgotten]

    def _of(self, owner: OwnerId | None) -> list[Notification]:
        return [one for one in self._all() if owner in (None, one.event.owner)]
