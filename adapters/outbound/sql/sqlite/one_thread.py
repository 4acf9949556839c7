"""A thread for one connection to SQLite."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_Call = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class OneThread:
    """One call at a time in a thread that stays: half the way of an executor's, for there is nothing to choose."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._name = name
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], Result]) -> Result:
        """Who stops waiting harms nobody: the work is done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[Result] = loop.create_future()
        self._calls.put((work, loop, over))
        return await over

    def close(self) -> None:
        if self._thread is not None:
            self._thread = None
            self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            work, loop, over = call
            try:
                tell = partial(_tell, over.set_result, over, work())
            except BaseException as error:  # noqa: BLE001 -- raised again where it is awaited
                tell = partial(_tell, over.set_exception, over, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell)


def _tell(tell: Callable[[Any], None], over: "asyncio.Future[Any]", what: object) -> None:
    if not over.cancelled():
        tell(what)
