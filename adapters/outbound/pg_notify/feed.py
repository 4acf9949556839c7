"""Events of all processes, by LISTEN. Contract: tests/contract/test_feed.py."""

import asyncio
import logging
import secrets
from collections.abc import Callable

import asyncpg

from adapters.outbound.pg_notify.connection import Connected
from adapters.outbound.pg_notify.payload import CHANNEL, decode
from domain.events import Event
from ports.feed import Feed, Listeners

log = logging.getLogger(__name__)

_PROBE_SECONDS = 20.0
_PROBE_ANSWER_SECONDS = 5.0


class PostgresFeed(Connected, Feed):
    """Its notifier hands this process's events in at once; what comes back of them by NOTIFY is dropped."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.origin = secrets.token_hex(6)
        self._listeners = Listeners()

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(on_event, on_gap)

    def deliver(self, event: Event) -> None:
        self._listeners.tell(event)

    def report_gap(self) -> None:
        self._listeners.tell_of_gap()

    async def use(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(CHANNEL, self._on_notice)
        self._is_connected()
        self.report_gap()  # nobody kept what was sent before
        while not lost.is_set():
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    await lost.wait()
            except TimeoutError:
                # A connection that died silently says nothing by itself.
                await connection.execute("SELECT 1", timeout=_PROBE_ANSWER_SECONDS)

    def _on_notice(self, connection: object, pid: int, channel: str, payload: object) -> None:  # asyncpg's
        try:
            notice = decode(str(payload))
        except (ValueError, TypeError, KeyError):
            log.warning("a notice that is none of ours, or of a version to come")
            return
        if notice.origin == self.origin:
            return
        if notice.event is None:
            self.report_gap()
        else:
            self.deliver(notice.event)
