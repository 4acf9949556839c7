"""Contract of ports/job_carrier.py, over each way to carry."""

import asyncio

import pytest

from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from domain.ids import JobId
from ports.job_carrier import JobCarrier
from tests.support.builders import an_id


@pytest.fixture(params=["memory"])
async def carrier(request: pytest.FixtureRequest) -> JobCarrier:
    return MemoryJobCarrier()


async def heard(carrier: JobCarrier, seconds: float = 5.0) -> bool:
    async with carrier.news(seconds) as has_come:
        return has_come


async def test_who_waits_is_told(carrier: JobCarrier) -> None:
    waits = asyncio.create_task(heard(carrier))
    await asyncio.sleep(0.01)
    carrier.carry(JobId(an_id()))
    assert await waits


async def test_who_comes_later_is_told_once(carrier: JobCarrier) -> None:
    carrier.carry(JobId(an_id()))
    assert await heard(carrier)
    assert not await heard(carrier, 0.05)


async def test_without_news_nobody_waits_longer_than_they_said(carrier: JobCarrier) -> None:
    async with asyncio.timeout(5):
        assert not await heard(carrier, 0)
        assert not await heard(carrier, 0.05)


async def test_each_news_is_for_one_of_those_who_wait(carrier: JobCarrier) -> None:
    waiting = [asyncio.create_task(heard(carrier, 0.5)) for _ in range(3)]
    await asyncio.sleep(0.05)
    for _ in range(2):
        carrier.carry(JobId(an_id()))
    assert sorted(await asyncio.gather(*waiting)) == [False, True, True]


async def test_who_has_given_up_waiting_takes_no_news_along(carrier: JobCarrier) -> None:
    gone = asyncio.create_task(heard(carrier))
    await asyncio.sleep(0.05)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    carrier.carry(JobId(an_id()))
    assert await heard(carrier)


async def test_a_carrier_that_is_there_is_well(carrier: JobCarrier) -> None:
    await carrier.check()
