"""Tells all processes, by NOTIFY. Contract: tests/contract/test_progress_notifier.py."""

import asyncio
import logging

import asyncpg

from adapters.outbound.pg_notify.connection import Connected
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.payload import CHANNEL, encode_event, encode_gap
from domain.events import Event
from domain.outgoing import Outgoing
from ports.progress_notifier import ProgressNotifier

log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 0.1
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
        self._waiting = Outgoing()
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
