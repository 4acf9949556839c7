"""Readable or not, on both loops: whoever asks is told, and nobody else."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from adapters.inbound.http.engine.readiness import Readiness
from tests.support.exchanges import LOOPS


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Run = Callable[[Coroutine[Any, Any, None]], None]
Ends = tuple[socket.socket, socket.socket]


def test_who_asks_is_told_until_it_rests(run: Run, ends: Ends) -> None:
    async def test() -> None:
        ours, theirs = ends
        readiness, told = Readiness(ours), asyncio.Event()
        for _ in range(3):
            readiness.ask(told.set)
            await asyncio.sleep(0.01)
            assert not told.is_set()
            theirs.send(b"x")
            await asyncio.wait_for(told.wait(), 1)
            readiness.rest()
            assert ours.recv(10) == b"x"
            await asyncio.sleep(0)  # it may have been told once more already
            told.clear()
        readiness.close()

    run(test())


def test_what_comes_while_nobody_asks_is_told_to_the_next(run: Run, ends: Ends) -> None:
    async def test() -> None:
        ours, theirs = ends
        readiness, told = Readiness(ours), asyncio.Event()
        readiness.ask(told.set)
        readiness.rest()
        theirs.send(b"x")
        await asyncio.sleep(0.01)
        assert not told.is_set()
        readiness.ask(told.set)
        await asyncio.wait_for(told.wait(), 1)
        readiness.close()

    run(test())


def test_a_loop_is_not_kept_busy_by_what_nobody_asks_for(run: Run, ends: Ends) -> None:
    async def test() -> None:
        ours, theirs = ends
        readiness, begun = Readiness(ours), time.thread_time()
        readiness.ask(lambda: None)
        readiness.rest()
        theirs.send(b"x")
        await asyncio.sleep(0.3)
        assert time.thread_time() - begun < 0.1
        readiness.close()

    run(test())


def test_closed_it_leaves_the_descriptor_to_others(run: Run, ends: Ends) -> None:
    async def test() -> None:
        ours, theirs = ends
        first, second, told = Readiness(ours), Readiness(ours), asyncio.Event()
        first.ask(lambda: None)
        first.close()
        second.ask(told.set)
        first.close()
        theirs.send(b"x")
        await asyncio.wait_for(told.wait(), 1)
        second.close()

    run(test())
