"""Tells all processes, by NATS. Contract: tests/contract/test_progress_notifier.py.

Core NATS, one subject; a message is an event as JSON, or an empty object for a gap: the sender had to leave some out.
"""

import asyncio
import json
import logging
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.outbound.nats.connection import ANSWER_SECONDS, Connected
from adapters.outbound.nats.feed import NatsFeed
from domain.events import Event, event_from_values, event_to_values
from domain.outgoing import Outgoing
from ports.progress_notifier import ProgressNotifier

log = logging.getLogger(__name__)

SUBJECT = "longshore.events"
_PROGRESS_SECONDS = 0.1
_CLOSE_SECONDS = 2.0
_GAP = b"{}"


class NatsProgressNotifier(Connected, ProgressNotifier):
    """Listeners of this process hear of an event at once; other processes get every change of state as soon as it can
    be sent, and of progress the newest, at most ten times a second.

    What comes from others arrives by the same connection, to which the server gives back nothing that it sent itself.
    """

    meanwhile = "other processes hear nothing of this one"

    def __init__(self, url: str, feed: NatsFeed, *, subject: str = SUBJECT) -> None:
        super().__init__(url)
        self._feed = feed
        self._subject = subject
        self._waiting = Outgoing()
        self._has_news = asyncio.Event()
        self._progress_due = 0.0
        self._is_sending = False

    def publish(self, event: Event) -> None:
        self._feed.deliver(event)
        self._waiting.add(event)
        self._has_news.set()

    async def close(self) -> None:
        """Send what waits still, if that can be done in two seconds."""
        self._progress_due = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while (self._waiting or self._is_sending) and self._connection is not None:
                    self._has_news.set()
                    await asyncio.sleep(0.01)
        await super().close()

    def wake(self) -> None:
        self._has_news.set()

    def missed(self) -> None:
        self._feed.report_gap()

    async def use(self, connection: Client) -> None:
        await connection.subscribe(self._subject, cb=self._on_message)
        await connection.flush(ANSWER_SECONDS)
        self.is_connected(connection)
        self._feed.report_gap()  # nobody kept what was sent before
        self._has_news.set()
        while not connection.is_closed:
            await self._has_news.wait()
            self._has_news.clear()
            await self._send(connection)

    async def _on_message(self, message: Msg) -> None:
        try:
            values = json.loads(message.data)
            event = event_from_values(values["event"]) if values else None
        except (ValueError, TypeError, KeyError):
            log.warning("a message that is none of ours, or of a version to come")
            return
        if event is None:
            self._feed.report_gap()
        else:
            self._feed.deliver(event)

    async def _send(self, connection: Client) -> None:
        """Send all that is due, and come back for the rest."""
        loop = asyncio.get_running_loop()
        with_progress = loop.time() >= self._progress_due
        if with_progress:
            self._progress_due = loop.time() + _PROGRESS_SECONDS
        has_gap, events = self._waiting.take(with_progress=with_progress)
        self._is_sending = True
        try:
            if has_gap:
                await connection.publish(self._subject, _GAP)
            for event in events:
                data = _encode(event)
                await connection.publish(self._subject, data if len(data) <= connection.max_payload else _GAP)
            if has_gap or events:
                await connection.flush(ANSWER_SECONDS)  # only what the server has answered for has got there
        except BaseException:
            self._waiting.put_back(events, has_gap=has_gap)
            self._has_news.set()
            raise
        finally:
            self._is_sending = False
        if self._waiting:
            loop.call_later(max(0.0, self._progress_due - loop.time()), self._has_news.set)


def _encode(event: Event) -> bytes:
    text = json.dumps({"event": event_to_values(event)}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # halves of surrogate pairs have no UTF-8
