"""Turns to write, for the tasks of one process."""

import asyncio
from collections import deque


class Turns:
    """One at a time. What is urgent has a queue of its own, and the two queues are served alternately.

    So what is urgent waits for as many others as there are urgent ones before it; as long as those go in batches they
    are few, however many clients there are. Neither queue starves.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()
        self._was_urgent = False

    async def take(self, *, urgent: bool, within: float) -> None:
        """Return when it is the caller's turn, which lasts until it calls ``pass_on``.

        Raises:
            TimeoutError: the turn did not come ``within`` so many seconds.
        """
        if self._is_taken:
            await self._wait(self._urgent if urgent else self._others, within)
        self._is_taken = True

    def pass_on(self) -> None:
        queues = [self._others, self._urgent] if self._was_urgent else [self._urgent, self._others]
        for queue in queues:
            while queue:
                turn = queue.popleft()
                if not turn.done():  # else who waited has given up
                    self._was_urgent = queue is self._urgent
                    turn.set_result(None)
                    return
        self._is_taken = False

    async def _wait(self, queue: deque[asyncio.Future[None]], within: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException:
            if not turn.cancelled():
                self.pass_on()  # it came in the very moment in which we gave up
            raise
