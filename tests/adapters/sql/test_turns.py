"""Turns to write: what is urgent goes first, and nobody starves, or loses a turn that came too late."""

import asyncio

import pytest

from adapters.outbound.sql.sqlite.turns import Turns
from domain.errors import RepositoryUnavailable


class Queue:
    """Tasks that each take a turn, note it, and pass it on."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, name: str, *, urgent: bool = False, within: float = 5) -> None:
        task = asyncio.create_task(self._take(name, urgent=urgent, within=within))
        self.tasks.append(task)
        await asyncio.sleep(0)

    async def over(self) -> list[str]:
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.served

    async def _take(self, name: str, *, urgent: bool, within: float) -> None:
        await self.turns.take(urgent=urgent, within=within)
        self.served.append(name)
        await asyncio.sleep(0)
        self.turns.pass_on()


@pytest.fixture
async def queue() -> Queue:
    """Somebody has the turn: ``pass_on`` ends it."""
    queue = Queue()
    await queue.turns.take(urgent=False, within=1)
    return queue


async def test_what_is_urgent_goes_before_all_that_waits(queue: Queue) -> None:
    for number in range(100):
        await queue.join(str(number))
    await queue.join("renewal", urgent=True)
    queue.turns.pass_on()
    assert await queue.over() == ["renewal", *map(str, range(100))]


async def test_what_is_not_urgent_gets_every_second_turn(queue: Queue) -> None:
    for number in range(3):
        await queue.join(f"urgent {number}", urgent=True)
        await queue.join(f"other {number}")
    queue.turns.pass_on()
    assert await queue.over() == ["urgent 0", "other 0", "urgent 1", "other 1", "urgent 2", "other 2"]


async def test_one_has_the_turn_at_a_time(queue: Queue) -> None:
    inside = most = 0

    async def take(number: int) -> None:
        nonlocal inside, most
        await queue.turns.take(urgent=number % 3 == 0, within=5)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        queue.turns.pass_on()

    tasks = [asyncio.create_task(take(number)) for number in range(50)]
    await asyncio.sleep(0)
    queue.turns.pass_on()
    await asyncio.gather(*tasks)
    assert most == 1


async def test_who_waited_too_long_is_passed_over(queue: Queue) -> None:
    await queue.join("hasty", within=0.01)
    await queue.join("patient")
    with pytest.raises(RepositoryUnavailable):
        await queue.tasks[0]
    queue.turns.pass_on()
    assert await queue.over() == ["patient"]


async def test_a_turn_that_comes_in_the_moment_of_giving_up_goes_to_the_next(queue: Queue) -> None:
    await queue.join("cancelled")
    await queue.join("next")
    queue.turns.pass_on()
    queue.tasks[0].cancel()
    async with asyncio.timeout(1):
        assert await queue.over() == ["next"]
    await queue.turns.take(urgent=False, within=1)  # and is free when nobody wants it


@pytest.mark.parametrize("has_joined", [False, True])
async def test_who_gives_up_right_before_a_turn_is_passed_over(queue: Queue, has_joined: bool) -> None:
    waiting = queue.turns.join() if has_joined else queue.turns.take(urgent=True)
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0)
    task.cancel()
    queue.turns.pass_on()
    with pytest.raises(asyncio.CancelledError):
        await task
    await queue.turns.take(urgent=False, within=1)


class Together:
    """Tasks that join and stay until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self.over = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, *names: str, within: float = 5) -> None:
        self.tasks += [asyncio.create_task(self._stay(name, within)) for name in names]
        await asyncio.sleep(0)

    async def end(self) -> None:
        self.over.set()
        self.over = asyncio.Event()
        await settle()

    async def _stay(self, name: str, within: float) -> None:
        await self.turns.join(within=within)
        self.inside.append(name)
        await self.over.wait()
        self.inside.remove(name)
        self.turns.leave()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def together(queue: Queue) -> Together:
    return Together(queue.turns)


async def test_each_kind_is_served_again_and_again(queue: Queue, together: Together) -> None:
    for number in range(5):
        await queue.join(f"urgent {number}", urgent=True)
        await queue.join(f"other {number}")
        await together.join(f"joined {number}")
        queue.turns.pass_on()
        await settle()
        await together.end()
        assert sorted(queue.served) == [f"other {number}", f"urgent {number}"]
        queue.served.clear()
        await queue.turns.take(urgent=False, within=1)


async def test_those_who_join_are_in_at_the_same_time(queue: Queue, together: Together) -> None:
    await together.join("one", "two")
    assert together.inside == [], "somebody has the turn"
    queue.turns.pass_on()
    await settle()
    assert together.inside == ["one", "two"]
    await together.join("three")
    assert together.inside == ["one", "two", "three"]


async def test_who_waits_gets_the_turn_when_they_have_left_and_newcomers_come_after(
    queue: Queue, together: Together
) -> None:
    queue.turns.pass_on()
    await together.join("one", "two")
    await queue.join("waiting")
    await together.join("newcomer")
    assert together.inside == ["one", "two"]
    assert queue.served == []
    await together.end()
    assert queue.served == ["waiting"]
    assert together.inside == ["newcomer"]


async def test_they_wait_for_one_of_each_kind_at_the_most(queue: Queue, together: Together) -> None:
    for number in range(3):
        await queue.join(f"urgent {number}", urgent=True)
        await queue.join(f"other {number}")
    await together.join("one", "two")
    queue.turns.pass_on()
    await settle()
    assert queue.served == ["urgent 0"]
    assert together.inside == ["one", "two"]
    await together.end()
    assert await queue.over() == ["urgent 0", "other 0", "urgent 1", "other 1", "urgent 2", "other 2"]


async def test_one_of_them_who_waited_too_long_is_not_counted(queue: Queue, together: Together) -> None:
    await together.join("hasty", within=0.01)
    await together.join("patient")
    with pytest.raises(RepositoryUnavailable):
        await together.tasks[0]
    queue.turns.pass_on()
    await settle()
    assert together.inside == ["patient"]
    await together.end()
    await queue.turns.take(urgent=False, within=1)


async def test_one_of_them_who_gives_up_when_it_comes_is_not_missed(queue: Queue, together: Together) -> None:
    await together.join("cancelled")
    queue.turns.pass_on()
    together.tasks[0].cancel()
    await settle()
    await queue.turns.take(urgent=False, within=1)


async def test_whoever_gave_up_keeps_nobody_from_joining(queue: Queue, together: Together) -> None:
    queue.turns.pass_on()
    await together.join("one")
    await queue.join("hasty", within=0.01)
    with pytest.raises(RepositoryUnavailable):
        await queue.tasks[0]
    await together.join("two")
    assert together.inside == ["one", "two"]
