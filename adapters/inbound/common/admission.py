"""How many connections may stay open, in all and for one client; and that the server goes down, told in one place."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from adapters.inbound.common.clients import neighbourhood
from domain.errors import TooManyStreams, Unavailable

_END_SECONDS = 2.0
Opened = TypeVar("Opened")


class Drain:
    """One a server: everybody who has to know that it goes down is given this, ``infrastructure/server.py`` tells it.

    From its beginning on only what is open or runs already is served, and ``/health`` sends new clients elsewhere.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.lets_go = False
        """Another process serves in this one's place: each reply is its connection's last."""

    def begin(self) -> None:
        self.has_begun = True

    def let_go(self) -> None:
        self.lets_go = True


class StreamBudget:
    """How many WebSockets and event streams may be open, in all and for one client."""

    def __init__(self, per_client: int | None = None, *, at_most: int = 20_000) -> None:
        """``per_client``: None, as many as there may be in all."""
        self._per_client = at_most if per_client is None else per_client
        self._at_most = at_most
        self._open = 0
        self._clients: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """Raises:
        Unavailable: there are as many as there may be.
        TooManyStreams: the client has as many as it may.
        """
        if self._open >= self._at_most:
            raise Unavailable("no more WebSockets and event streams are taken")
        if self._clients[client] >= self._per_client:
            raise TooManyStreams("you hold too many WebSockets and event streams open; close some")
        self._clients[client] += 1
        self._open += 1

    def give_back(self, client: str) -> None:
        self._open -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


class Admission(Generic[Opened]):
    """What is open of one kind; several kinds may have one ``budget``."""

    def __init__(self, drain: Drain, budget: StreamBudget | None = None) -> None:
        self._drain = drain
        self._budget = budget or StreamBudget()
        self._open: dict[Opened, str] = {}
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, opened: Opened, client: str) -> None:
        """Raises:
        Unavailable: the server drains, or has as many as it takes.
        TooManyStreams: the client has as many as it may.
        """
        if self._drain.has_begun:
            raise Unavailable("the server stops or restarts")
        client = neighbourhood(client)
        self._budget.take(client)
        self._open[opened] = client

    def forget(self, closed: Opened) -> None:
        client = self._open.pop(closed, None)
        if client is not None:
            self._budget.give_back(client)
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
