"""Tells all processes, by NOTIFY. Contract: tests/contract/test_progress_notifier.py."""

import asyncio
import logging
from collections import OrderedDict, deque

import asyncpg

from adapters.outbound.pg_notify.connection import Connected
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.payload import CHANNEL, encode_event, encode_gap
from domain.events import Event
from ports.progress_notifier import ProgressNotifier

log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 0.1
_MAX_WAITING = 10_000
_MAX_BATCH = 500
_CLOSE_SECONDS = 2.0

# One round trip for any number. What a volatile function does is done after the sort, so the order is kept.
_NOTIFY = "SELECT pg_notify($1, text) FROM unnest($2::text[]) WITH ORDINALITY AS t (text, n) ORDER BY n"


class PostgresProgressNotifier(Connected, ProgressNotifier):
    """Listeners of this process hear of an event at once; other processes get every change of state as soon
    as it can be sent, and of progress the newest, at most ten times a second."""

    def __init__(self, url: str, feed: PostgresFeed) -> None:
        super().__init__(url)
        self._feed = feed
        self._waiting = Waiting()
        self._has_news = asyncio.Event()
        self._progress_due = 0.0

    def publish(self, event: Event) -> None:
        self._feed.deliver(event)
        self._waiting.add(event)
        self._has_news.set()

    async def close(self) -> None:
        """Send what waits still, if that can be done in two seconds."""
        self._progress_due = 0.0
        if self._running is not None and self._first.is_set():
            deadline = asyncio.get_running_loop().time() + _CLOSE_SECONDS
            while self._waiting and asyncio.get_running_loop().time() < deadline:
                self._has_news.set()
                await asyncio.sleep(0.02)
        await super().close()

    async def use(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()

        def on_lost(_: object) -> None:
            lost.set()
            self._has_news.set()

        connection.add_termination_listener(on_lost)
        self._is_connected()
        while not lost.is_set():
            await self._has_news.wait()
            self._has_news.clear()
            await self._send(connection)

    async def _send(self, connection: asyncpg.Connection) -> None:
        """Send all that is due, and come back for the rest."""
        loop = asyncio.get_running_loop()
        with_progress = loop.time() >= self._progress_due
        if with_progress:
            self._progress_due = loop.time() + _PROGRESS_SECONDS
        has_gap, events = self._waiting.take(with_progress=with_progress)
        texts = [encode_gap(self._feed.origin)] if has_gap else []
        texts += [self._encode(event) for event in events]
        try:
            for at in range(0, len(texts), _MAX_BATCH):
                await connection.execute(_NOTIFY, CHANNEL, texts[at : at + _MAX_BATCH])
        except BaseException:
            self._waiting.put_back(events, has_gap=has_gap)
            self._has_news.set()
            raise
        if self._waiting:
            loop.call_later(max(0.0, self._progress_due - loop.time()), self._has_news.set)

    def _encode(self, event: Event) -> str:
        try:
            return encode_event(self._feed.origin, event)
        except ValueError:
            log.warning("an event is too long to be told")
            return encode_gap(self._feed.origin)


class Waiting:
    """Events that wait to be sent: changes of state in their order, then the newest progress of each upload.

    Of too many the oldest are left out, and a gap is noted, so that the others read for themselves.
    """

    def __init__(self) -> None:
        self._has_gap = False
        self._changes: deque[Event] = deque()
        self._progress: OrderedDict[str, Event] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._changes or self._progress or self._has_gap)

    def add(self, event: Event) -> None:
        if event.is_passing:
            self._progress[event.subject] = event
            if len(self._progress) > _MAX_WAITING:
                self._progress.popitem(last=False)
                self._has_gap = True
        else:
            self._progress.pop(event.subject, None)  # the change tells how far it got, too
            self._changes.append(event)
            if len(self._changes) > _MAX_WAITING:
                self._changes.popleft()
                self._has_gap = True

    def take(self, *, with_progress: bool) -> tuple[bool, list[Event]]:
        """Whether there was a gap, and what there is to be sent; taken out."""
        has_gap, self._has_gap = self._has_gap, False
        taken = list(self._changes)
        self._changes.clear()
        if with_progress:
            taken += self._progress.values()
            self._progress.clear()
        return has_gap, taken

    def put_back(self, events: list[Event], *, has_gap: bool) -> None:
        """Events that may not have been sent: twice is no harm, not at all would be."""
        self._has_gap |= has_gap
        changed = {event.subject for event in self._changes}
        for event in reversed(events):
            if not event.is_passing:
                self._changes.appendleft(event)
            elif event.subject not in changed:
                self._progress.setdefault(event.subject, event)
