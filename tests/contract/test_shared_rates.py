"""Contract of ports/shared_rates.py, in memory and on each database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from adapters.outbound.memory.shared_rates import MemoryRates, MemorySharedRates
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.repositories.shared_rates import SqlSharedRates
from adapters.outbound.sql.tables import rate_windows, servers
from adapters.outbound.system.clock import SystemClock
from domain.rate import Rate, Wish
from ports.shared_rates import SharedRates
from tests.support.builders import ShiftedClock
from tests.support.stores import Store, opened_store

TWENTY, THOUSANDS = Rate(20, 60), Rate(12_800, 60)


@pytest.fixture
async def sides(store_url: str | None) -> AsyncIterator[Sequence[SharedRates]]:
    """What two servers share, as each of them sees it."""
    if store_url is None:
        rates = MemoryRates()
        yield [MemorySharedRates(SystemClock(), rates) for _ in range(2)]
        return
    async with opened_store(store_url) as store:
        databases = [store.process().database for _ in range(2)]
        yield [SqlSharedRates(database, SystemClock()) for database in databases if database is not None]


async def test_servers_see_one_another_until_they_leave(sides: Sequence[SharedRates]) -> None:
    first, second = sides
    assert not await first.look()
    assert not await first.look()
    assert await second.look()
    assert await first.look()
    await second.leave()
    assert not await first.look()
    await first.leave()
    assert not await second.look()


async def test_together_they_give_no_more_than_there_is(sides: Sequence[SharedRates]) -> None:
    given = [await sides[number % 2].take(Wish("a", [TWENTY])) for number in range(30)]
    assert [one.amount for one in given] == [1] * 20 + [0] * 10
    assert [one.told.left for one in given[:20]] == list(range(19, -1, -1))
    assert 55 < given[-1].told.seconds <= 60
    assert (await sides[0].take(Wish("b", [TWENTY]))).amount == 1


async def test_nor_do_they_when_they_are_asked_at_once(sides: Sequence[SharedRates]) -> None:
    wishes = [Wish(client, [TWENTY]) for client in "abc" for _ in range(25)]
    given = await asyncio.gather(*(sides[number % 2].take(wish) for number, wish in enumerate(wishes)))
    for at in (0, 25, 50):
        assert sum(one.amount for one in given[at : at + 25]) == 20


async def test_of_several_rates_the_tightest_counts_and_what_is_refused_takes_of_none(
    sides: Sequence[SharedRates],
) -> None:
    tight, wide = Rate(2, 60), Rate(5, 3600)
    given = [await side.take(Wish("a", [wide, tight])) for side in [*sides] * 2]
    assert [one.amount for one in given] == [1, 1, 0, 0]
    assert given[-1].told.rate == tight
    assert (await sides[0].take(Wish("a", [wide], 5))).amount == 3


async def test_several_may_be_taken_at_once_as_far_as_there_are_some(sides: Sequence[SharedRates]) -> None:
    one, other = sides
    assert (await one.take(Wish("a", [THOUSANDS], 12_000))).amount == 12_000
    assert (await other.take(Wish("a", [THOUSANDS], 1000))).amount == 800
    assert (await one.take(Wish("a", [THOUSANDS]))).amount == 0


async def test_what_was_made_without_asking_counts_as_long_as_it_is_not_over(sides: Sequence[SharedRates]) -> None:
    made = [(70.0, 5), (61.0, 3), (30.0, 7), (0.5, 12)]
    given = await sides[0].take(Wish("a", [TWENTY], 0, made))
    assert (given.amount, given.told.left) == (0, 1)
    assert (await sides[1].take(Wish("a", [TWENTY]))).amount == 1
    refused = await sides[1].take(Wish("a", [TWENTY]))
    assert (refused.amount, refused.told.left) == (0, 0)
    assert 25 < refused.told.seconds <= 30


async def test_hits_come_back(sides: Sequence[SharedRates]) -> None:
    rate = Rate(2, 1)
    given = await sides[0].take(Wish("a", [rate], 0, [(0.95, 2)]))
    assert 0 < given.told.seconds <= 0.05 + 1
    await asyncio.sleep(0.06)
    assert (await sides[1].take(Wish("a", [rate]))).amount == 1


async def test_who_is_known_to_be_dead_is_not_here_and_what_is_over_goes(shared_store: Store) -> None:
    process = shared_store.process()
    database, clock = process.database, ShiftedClock()
    assert database is not None
    here = ProcessIdentity.here()
    dead = ProcessIdentity(here.host, 2**22 + 1, "1", "x")
    then = clock.now() + timedelta(seconds=20)
    await database.write(lambda connection: connection.execute(insert(servers).values(id=str(dead), expires_at=then)))
    rates = SqlSharedRates(database, clock, identity=here)
    assert not await rates.look()
    assert await process.column(select(servers.c.id)) == [str(here)]
    old = clock.now() - timedelta(seconds=1)
    gone = insert(rate_windows).values(key="60 x", hits="[]", expires_at=old)
    await database.write(lambda connection: connection.execute(gone))
    await rates.take(Wish("a", [TWENTY]))
    clock.shift = timedelta(seconds=31)
    await rates.look()
    assert await process.column(select(rate_windows.c.key)) == ["60 a"]
