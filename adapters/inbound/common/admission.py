"""How many connections may stay open, in all and for one client; and that the server goes down, told in one place."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from domain.errors import TooManyRequests, Unavailable

_END_SECONDS = 2.0
Opened = TypeVar("Opened")


class Drain:
    """One a server: everybody who has to know that it goes down is given this, ``infrastructure/server.py`` tells it.

    From its beginning on only what is open or runs already is served, and ``/health`` sends new clients elsewhere.
    """

    def __init__(self) -> None:
        self.has_begun = False

    def begin(self) -> None:
        self.has_begun = True


class Admission(Generic[Opened]):
    """What is open of one kind; ``what`` it is called in refusals."""

    def __init__(self, what: str, drain: Drain, *, at_most: int, per_client: int) -> None:
        self._what = what
        self._drain = drain
        self._at_most = at_most
        self._per_client = per_client
        self._open: dict[Opened, str] = {}
        self._clients: Counter[str] = Counter()
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, opened: Opened, client: str) -> None:
        """Raises:
        Unavailable: the server drains, or has as many as it takes.
        TooManyRequests: the client has as many as it may.
        """
        if self._drain.has_begun or len(self._open) >= self._at_most:
            raise Unavailable(f"no more {self._what} are taken")
        if self._clients[client] >= self._per_client:
            raise TooManyRequests(f"too many {self._what} are open")
        self._open[opened] = client
        self._clients[client] += 1

    def forget(self, closed: Opened) -> None:
        client = self._open.pop(closed, None)
        if client is not None:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
        if not self._open:
            self._emptied.set()

    async def end_all(self, end: Callable[[Opened], None]) -> None:
        """``end`` each that is open; return when all are gone, or after two seconds."""
        self._emptied.clear()
        for opened in list(self._open):
            end(opened)
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _END_SECONDS)
