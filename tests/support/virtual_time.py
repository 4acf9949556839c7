"""An event loop whose time passes only while everybody waits: nothing races, and a seed tells the whole story."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ports.clock import Clock
from tests.support.builders import NOW

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """``lag``: seconds that a machine with other things to do loses at this turn of the loop."""

    def __init__(self, lag: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 0.0
        super().__init__(_Waiting(self, lag))

    def time(self) -> float:
        return self.now


class _Waiting(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop, lag: Callable[[], float]) -> None:
        super().__init__()
        self._loop = loop
        self._lag = lag

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that no time brings"
        self._loop.now += max(timeout, 0) + self._lag()
        return super().select(0)


class VirtualClock(Clock):
    """The loop's time, on both clocks."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run_virtually(work: Coroutine[Any, Any, Result], lag: Callable[[], float] = lambda: 0.0) -> Result:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(lag)) as runner:
        return runner.run(work)
