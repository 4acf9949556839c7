"""Turns at something of which there is only so much, for those who wait for a picture to be looked at."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import ProcessorBusy


class Turns:
    """So many at once, and nobody waits for ever. Who is urgent comes before who is not; of those, askers come one
    after the other, so that one who asks for much waits for it, and not all others."""

    def __init__(self, count: int, patience: float) -> None:
        """``patience``: how long one waits, in seconds."""
        self._left = count
        self._patience = patience
        self._urgent, self._others = _Line(), _Line()

    @asynccontextmanager
    async def taken(self, *, urgent: bool = False, asker: str = "") -> AsyncIterator[None]:
        """Raises:
        ProcessorBusy: the turn did not come in time.
        """
        if self._left:
            self._left -= 1
        else:
            await self._wait(self._urgent if urgent else self._others, asker)
        try:
            yield
        finally:
            self._give_back()

    async def _wait(self, line: "_Line", asker: str) -> None:
        waiting = line.join(asker)
        try:
            async with asyncio.timeout(self._patience):
                try:
                    await waiting
                except asyncio.CancelledError:
                    if not waiting.cancelled():  # it was ours just now
                        self._give_back()
                    raise
        except TimeoutError:
            raise ProcessorBusy("too many pictures are being looked at") from None

    def _give_back(self) -> None:
        waiting = self._urgent.next() or self._others.next()
        if waiting is None:
            self._left += 1
        else:
            waiting.set_result(None)


class _Line:
    def __init__(self) -> None:
        self._askers: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Whose turn it is next comes first."""

    def join(self, asker: str) -> asyncio.Future[None]:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._askers.setdefault(asker, deque()).append(waiting)
        return waiting

    def next(self) -> asyncio.Future[None] | None:
        """Take whose turn it is out of the line; those who have gone meanwhile are passed over."""
        while self._askers:
            asker, waiting = self._askers.popitem(last=False)
            while waiting and waiting[0].done():
                del waiting[0]
            if waiting:
                found = waiting.popleft()
                if waiting:
                    self._askers[asker] = waiting
                return found
        return None
