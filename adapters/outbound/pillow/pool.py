"""Processes that look at pictures and draw them, beside ours: how many, and what becomes of those that misbehave.

A decoder that meets the wrong bytes may crash, never end, or take all the memory there is. In a process with limits of
its own that costs one order. ``children.py`` is our side of one of them, ``child.py`` what runs in it. They are started
when there is something to do, kept warm for a while, and gone when idle. See docs/decisions/0031.
"""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.outbound.pillow.children import Child, Limits, Sink
from adapters.outbound.pillow.orders import Answer, Kind, Order, Outcome
from adapters.outbound.pillow.turns import Turns
from domain.errors import ProcessorUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for, in seconds."""

    turn: float = 120.0
    """For a process to be free."""
    look: float = 5.0
    """From the order to look at a header to its answer; then its process is ended."""
    order: float = 20.0
    """The same, of one to decode."""
    edit: float = 180.0
    """The same, of an edit."""
    idle: float = 30.0
    """How long a process is kept that has nothing to do."""


PATIENCE = Patience()


class Pool:
    """Lives on the event loop; ``close`` it at the end. Of its ``processes`` each has one order at a time; there is one
    more for those who only want a header looked at, which is done in no time."""

    def __init__(self, limits: Limits, *, processes: int, patience: Patience = PATIENCE) -> None:
        self._limits = limits
        self._patience = patience
        self._turns = Turns(processes + 1, patience.turn)
        self._decoding = Turns(processes, patience.turn)
        self._children: set[Child] = set()
        self._idle: list[tuple[float, Child]] = []
        """Since when; the one that was used last comes last, and is taken first."""
        self._starting: set[asyncio.Task[Child]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def order(
        self, order: Order, descriptor: int, sink: Sink | None = None, *, urgent: bool = False, asker: str = ""
    ) -> Answer:
        """Have a file looked at. ``urgent`` ones go before all others that wait, by turns for each ``asker``. ``sink``:
        takes what an edit makes.

        Raises:
            ProcessorBusy: nobody was free in time.
            ProcessorUnavailable: who had the order died or took too long.
        """
        async with AsyncExitStack() as turns:
            if order.kind is not Kind.LOOK:
                await turns.enter_async_context(self._decoding.taken(urgent=urgent, asker=asker))
            await turns.enter_async_context(self._turns.taken(urgent=urgent, asker=asker))
            child = await self._free()
            patience = {Kind.LOOK: self._patience.look, Kind.EDIT: self._patience.edit}.get(
                order.kind, self._patience.order
            )
            try:
                async with asyncio.timeout(patience):
                    answer = await child.carry_out(order, descriptor, sink)
            except TimeoutError:
                self._end(child)
                log.warning("a picture took longer than %.0f s; its process is ended", patience)
                raise ProcessorUnavailable("the picture takes too long to be looked at") from None
            except (OSError, ValueError):
                self._end(child)
                log.warning("the process that looked at a picture has died")
                raise ProcessorUnavailable("the process that looked at the picture has died") from None
            except BaseException:
                self._end(child)
                raise
            if answer.outcome is Outcome.NO_MEMORY or answer.resident_kib > self._limits.kept_kib:
                self._end(child)
            else:
                self._keep(child)
            return answer

    async def close(self) -> None:
        """Return once no process is left; orders under way fail."""
        self._is_closed = True
        if self._tidying:
            self._tidying.cancel()
        while self._starting:
            await asyncio.wait(self._starting)
        for child in list(self._children):
            self._end(child)
        while self._ending:
            await asyncio.wait(self._ending)

    async def _free(self) -> Child:
        if self._is_closed:
            raise ProcessorUnavailable("the server is being ended")
        while self._idle:
            _, child = self._idle.pop()
            if child.lives:
                return child
            self._end(child)
        starting = self._start()
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._keep_started)  # the next order's
            raise
        except OSError as error:
            log.warning("no process can be started to look at a picture: %s", error)
            raise ProcessorUnavailable("no process can be started to look at the picture") from None

    def _start(self) -> asyncio.Task[Child]:
        async def start() -> Child:
            child = await asyncio.to_thread(Child, self._limits)
            self._children.add(child)
            return child

        starting = asyncio.create_task(start())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        return starting

    def _keep_started(self, started: asyncio.Task[Child]) -> None:
        if started.exception() is None:
            self._keep(started.result())

    def _keep(self, child: Child) -> None:
        if self._is_closed:
            self._end(child)
            return
        self._idle.append((time.monotonic(), child))
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(self._patience.idle, self._tidy)

    def _tidy(self) -> None:
        now, self._tidying = time.monotonic(), None
        while self._idle and self._idle[0][0] + self._patience.idle <= now:
            self._end(self._idle.pop(0)[1])
        if self._idle:
            left = self._idle[0][0] + self._patience.idle - now
            self._tidying = asyncio.get_running_loop().call_later(left, self._tidy)

    def _end(self, child: Child) -> None:
        if child not in self._children:
            return
        self._children.discard(child)
        child.kill()

        async def end() -> None:
            await asyncio.to_thread(child.wait)
            child.close()

        ending = asyncio.create_task(end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
