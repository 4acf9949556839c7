"""Tells other processes, where they can be told, to look at once for what they would see at their next look anyway."""

import asyncio
from collections.abc import Callable


class Bell:
    """``ring`` has the others hear of it, or not, and returns at once. Whoever brings it here calls ``heard``."""

    def __init__(self) -> None:
        self.ring: Callable[[], None] = lambda: None
        self.on_heard: Callable[[], None] = lambda: None
        self._news = asyncio.Event()

    def heard(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        self.on_heard()

    async def wait(self, other: asyncio.Event, *, within: float) -> None:
        """Return once it was heard, or ``other`` is set, or the time is over."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._news, other)]
        try:
            await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
