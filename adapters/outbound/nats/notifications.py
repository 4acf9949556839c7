"""Tells other services of instructions' details, on ``notifications.sse``. Tested in tests/adapters/test_nats.py.

Core NATS, at most once: who has to know of each asks for the instruction.
"""

import asyncio
import json
from collections import deque
from contextlib import suppress

from nats.aio.client import Client

from adapters.outbound.nats.connection import ANSWER_SECONDS, Connected
from domain.events import Event, InstructionEvent
from domain.notification import detail_fields
from ports.progress_notifier import ProgressNotifier

SUBJECT = "notifications.sse"
_MAX_WAITING = 10_000
_CLOSE_SECONDS = 2.0


class NatsNotifications(Connected, ProgressNotifier):
    """Passes everything on to ``notifier``, and tells NATS of details beside it: so by the process alone that committed
    them, and once. While NATS is away the newest wait here, up to ten thousand."""

    meanwhile = "what becomes of instructions is not told there"

    def __init__(self, url: str, notifier: ProgressNotifier, *, subject: str = SUBJECT) -> None:
        super().__init__(url)
        self._notifier = notifier
        self._subject = subject
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._has_some = asyncio.Event()

    def publish(self, event: Event) -> None:
        self._notifier.publish(event)
        if isinstance(event, InstructionEvent):
            self._waiting.append(json.dumps(detail_fields(event)).encode())
            self._has_some.set()

    async def close(self) -> None:
        """Pass on what waits still, if that can be done in two seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._waiting and self._connection is not None:  # noqa: ASYNC110 -- only an end waits for it
                    await asyncio.sleep(0.01)
        await super().close()

    def wake(self) -> None:
        self._has_some.set()

    async def use(self, connection: Client) -> None:
        self.is_connected(connection)
        while not connection.is_closed:
            batch = list(self._waiting)
            for message in batch:
                await connection.publish(self._subject, message)
            if batch:
                await connection.flush(ANSWER_SECONDS)  # only what the server has answered for has got there
            while batch and self._waiting and self._waiting[0] is batch.pop(0):
                self._waiting.popleft()
            self._has_some.clear()
            if not self._waiting and not connection.is_closed:
                await self._has_some.wait()
