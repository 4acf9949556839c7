"""Events kept until they are published. Contract: tests/contract/test_outbox.py."""

from collections.abc import Iterable
from datetime import datetime

from adapters.outbound.memory.database import MemoryDatabase
from domain.events import Event
from ports.outbox import Outbox
from ports.progress_notifier import ProgressNotifier


class MemoryOutbox(Outbox):
    def __init__(self, database: MemoryDatabase, notifier: ProgressNotifier) -> None:
        self._database = database
        self._notifier = notifier

    def publish(self, events: Iterable[Event]) -> None:
        """Publish and forget ``events``, which are kept already."""
        for event in list(events):
            self._notifier.publish(event)
            self._database.outbox.remove(event)

    async def publish_left(self, *, older_than: datetime) -> int:
        left = [event for event in self._database.outbox if event.time < older_than]
        self.publish(left)
        return len(left)
