"""Waiting for what nobody announces: it is looked for again and again, for a bounded time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def until(
    look: Callable[[], Seen], else_say: str | Callable[[], str] = "", *, within: float = 30.0, every: float = 0.02
) -> Seen:
    """What ``look`` brings as soon as that is true.

    Raises:
        AssertionError: it was not ``within`` so many seconds; with ``else_say``.
    """
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, else_say() if callable(else_say) else else_say
        time.sleep(every)
    return seen


def becomes(look: Callable[[], object], *, within: float = 5.0, every: float = 0.01) -> bool:
    """Whether ``look`` brings something true in time."""
    deadline = time.monotonic() + within
    while not look():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


async def wait_until(look: Callable[[], object], within: float = 5.0) -> None:
    """As ``until``, while the loop goes on.

    Raises:
        TimeoutError: not in time.
    """
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 -- what is waited for lies in code that knows of no event
            await asyncio.sleep(0.01)


async def comes_true(look: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    """As ``wait_until``, where looking takes time, too."""
    async with asyncio.timeout(within):
        while not await look():  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.02)
