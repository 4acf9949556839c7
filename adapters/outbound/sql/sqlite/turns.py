"""Turns to write, for the tasks of one process."""

import asyncio
from collections import deque
from collections.abc import Callable

from adapters.outbound.sql.sqlite.connection import BUSY_SECONDS
from domain.errors import RepositoryUnavailable

_Queue = deque["asyncio.Future[None]"]


class Turns:
    """One at a time, or many together. There are three queues, served in rotation.

    Those who ``join`` share one turn: it goes on as long as some of them are there and nobody else waits.

    What is urgent waits for as many others as there are urgent ones before it; as long as those go in batches they
    are few, however many clients there are. No queue starves.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._together = 0
        self._urgent: _Queue = deque()
        self._joining: _Queue = deque()
        self._others: _Queue = deque()
        self._rotation = [self._urgent, self._joining, self._others]

    async def take(self, *, urgent: bool, within: float = BUSY_SECONDS) -> None:
        """Return when it is the caller's turn, which lasts until it calls ``pass_on``.

        Raises:
            RepositoryUnavailable: the turn did not come ``within`` so many seconds.
        """
        if self._is_taken:
            await self._wait(self._urgent if urgent else self._others, within, self.pass_on)
        self._is_taken = True

    async def join(self, *, within: float = BUSY_SECONDS) -> None:
        """Return when the caller may write beside others who have joined, until it calls ``leave``.

        Raises:
            RepositoryUnavailable: the turn did not come ``within`` so many seconds.
        """
        if self._is_taken and (not self._together or self._urgent or self._others):
            await self._wait(self._joining, within, self.leave)
        else:
            if not self._together:
                self._is_taken = True
                self._put_last(self._joining)
            self._together += 1

    def leave(self) -> None:
        self._together -= 1
        if not self._together:
            self.pass_on()

    def pass_on(self) -> None:
        for queue in self._rotation:
            if queue and self._admit(queue):
                self._put_last(queue)
                return
        self._is_taken = False

    def _put_last(self, queue: _Queue) -> None:
        self._rotation.sort(key=lambda other: other is queue)

    def _admit(self, queue: _Queue) -> bool:
        """The first one, or all who want to join; whether there was anybody."""
        while queue:
            turn = queue.popleft()
            if turn.done():
                continue  # who waited has given up
            turn.set_result(None)
            if queue is not self._joining:
                return True
            self._together += 1
        return self._together > 0

    async def _wait(self, queue: _Queue, within: float, give_back: Callable[[], None]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                give_back()  # it came in the very moment in which we gave up
            elif turn in queue:  # else it was passed over in between
                queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise RepositoryUnavailable("the database is busy") from None
            raise
