"""Bodies that trickle are ended, so that nobody holds a place here for nothing."""

import asyncio

from adapters.inbound.http.engine.body import Body


class BodyWatchdog:
    """Ends bodies that trickle: less than 1 KiB/s over 30 s while the core waits for them (slow loris, half-open)."""

    period_seconds = 30.0
    least_bytes = 30 * 1024

    def __init__(self) -> None:
        # What each had received at the last look; None before the first, so that none is judged by a part of a period.
        self._watched: dict[Body, int | None] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, body: Body) -> None:
        self._watched[body] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def forget(self, body: Body) -> None:
        self._watched.pop(body, None)

    def close(self) -> None:
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.period_seconds)
            for body, before in list(self._watched.items()):
                if before is not None and body.is_awaited and body.received - before < self.least_bytes:
                    body.stop()
                self._watched[body] = body.received
