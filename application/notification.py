"""Notifications for whoever waits for them: those that were missed, then each as it comes. Read ``Inbox.next``."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from domain.access import ANYBODY, Principal
from domain.events import Event
from domain.ids import OwnerId
from domain.notification import Notification, is_notifying
from ports.feed import Feed
from ports.unit_of_work import UnitOfWorkFactory

_PAGE = 50
_BEFORE_ALL = "0"
"""No event has this id: who names it is told all that is kept."""


class NotificationUseCase:
    """One per process. All that is told is read; the feed says only that there is something to read, so what is lost on
    that way is told by the next look."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, feed: Feed) -> None:
        self._unit_of_work = unit_of_work
        self._feed = feed
        self._inboxes: dict[OwnerId | None, dict[Inbox, None]] = {}  # None: of those who are told everybody's
        self._unlisten: Callable[[], None] | None = None

    async def open(self, principal: Principal, *, after: str = "") -> "Inbox":
        """What is the principal's own, an administrator's too; where everything is everyone's, all of it. To be closed.

        ``after``: the event that was told last. Whatever is kept follows it, or all there is where nobody knows it (any
        more). Empty: what is committed from now on.

        Raises:
            RepositoryUnavailable
        """
        if self._unlisten is None:
            self._unlisten = self._feed.listen(self._hear, self._on_gap)
        owner = None if principal == ANYBODY else principal.owner
        inbox = Inbox(self._unit_of_work, owner, self._forget)
        async with self._unit_of_work() as work:
            if not after:
                inbox.number, inbox.begins_after = await work.notifications.newest(owner) or (0, _BEFORE_ALL)
            elif (number := await work.notifications.number_of(owner, after)) is not None:
                inbox.number, inbox.begins_after = number, after
        self._inboxes.setdefault(owner, {})[inbox] = None
        inbox.wake()  # something may have been committed in between
        return inbox

    async def close(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _hear(self, event: Event) -> None:
        if is_notifying(event):
            for inbox in [*self._inboxes.get(event.owner, ()), *self._inboxes.get(None, ())]:
                inbox.wake()

    def _on_gap(self) -> None:
        for inboxes in self._inboxes.values():
            for inbox in inboxes:
                inbox.wake()

    def _forget(self, inbox: "Inbox") -> None:
        inboxes = self._inboxes.get(inbox.owner, {})
        inboxes.pop(inbox, None)
        if not inboxes:
            self._inboxes.pop(inbox.owner, None)


class Inbox:
    """What one reader is told, in order, each once."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, owner: OwnerId | None, on_close: "Callable[[Inbox], None]"
    ) -> None:
        """``owner``: None, everybody's."""
        self.owner = owner
        self.number = 0
        """All up to this one has been told."""
        self.begins_after = _BEFORE_ALL
        """The event that the first one follows: who is cut off before it was told any names this one."""
        self._unit_of_work = unit_of_work
        self._on_close = on_close
        self._has_news = asyncio.Event()
        self._is_closed = False

    async def next(self, seconds: float) -> Sequence[Notification]:
        """Those that follow; waits so long for news of any, then looks all the same. None: there are none, or this is
        closed.

        Raises:
            RepositoryUnavailable
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_news.wait()
        self._has_news.clear()
        if self._is_closed:
            return ()
        async with self._unit_of_work() as work:
            found = await work.notifications.after(self.owner, self.number, limit=_PAGE)
        if found:
            self.number = found[-1].number
            if len(found) == _PAGE:
                self._has_news.set()  # there may be more
        return found

    def wake(self) -> None:
        self._has_news.set()

    def close(self) -> None:
        """No more is told; who waits is let go."""
        self._is_closed = True
        self._has_news.set()
        self._on_close(self)
