"""What owners have been notified of, kept for a while. Contract: tests/contract/test_notifications.py."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import OwnerId
from domain.notification import Notification


class Notifications(Protocol):
    """Those among the announced events that notify somebody (``domain/notification.py``), kept by the unit of work with
    the change that they tell of.

    Their numbers grow in the order of the commits: who has read up to a number misses nothing that comes later.
    """

    @abstractmethod
    async def after(self, owner: OwnerId | None, number: int, *, limit: int) -> Sequence[Notification]:
        """The owner's that follow ``number``, in order; None: everybody's."""

    @abstractmethod
    async def number_of(self, owner: OwnerId | None, event_id: str) -> int | None:
        """The number that the owner's event has (None: anybody's); the first one, if it has several: told again is
        better than not at all. None: it is not kept (any more)."""

    @abstractmethod
    async def newest(self, owner: OwnerId | None) -> tuple[int, str] | None:
        """Number and event's id of the owner's newest (None: anybody's). None: there is none."""

    @abstractmethod
    async def forget(self, *, before: datetime, limit: int) -> int:
        """Forget those of events ``before`` then; return how many."""
