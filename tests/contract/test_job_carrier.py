"""Contract of ports/job_carrier.py, over each way to carry; for brokers, between two processes and across an outage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.outbound.amqp.job_carrier import AmqpJobCarrier
from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from adapters.outbound.nats.job_carrier import NatsJobCarrier
from domain.errors import Unavailable
from domain.ids import JobId
from ports.job_carrier import JobCarrier
from tests.support.builders import an_id
from tests.support.ports import free_port
from tests.support.processes.nats import NatsServer
from tests.support.processes.rabbitmq import RabbitServer
from tests.support.until import comes_true

Broker = NatsServer | RabbitServer
Carrier = NatsJobCarrier | AmqpJobCarrier


class Line:
    """A broker, and a line of news over it that no other test has."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._name = an_id()

    @asynccontextmanager
    async def carrier(self, url: str = "", *, waits: bool = True) -> AsyncIterator[Carrier]:
        if isinstance(self.broker, NatsServer):
            carrier: Carrier = NatsJobCarrier(url or self.broker.url, subject=self._name)
        else:
            carrier = AmqpJobCarrier(url or self.broker.url, queue=self._name)
        carrier.start()
        try:
            if waits:
                await comes_true(lambda: is_well(carrier))
            yield carrier
        finally:
            await carrier.close()


async def is_well(carrier: JobCarrier) -> bool:
    try:
        await carrier.check()
    except Unavailable:
        return False
    return True


async def is_sent(carrier: Carrier) -> bool:
    return not carrier._waiting


async def heard(carrier: JobCarrier, seconds: float = 5.0) -> bool:
    async with carrier.news(seconds) as has_come:
        return has_come


@pytest.fixture(params=["nats", "amqp"])
def line(request: pytest.FixtureRequest) -> Line:
    return Line(request.getfixturevalue("nats_server" if request.param == "nats" else "rabbit_server"))


@pytest.fixture(params=["memory", "nats", "amqp"])
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[JobCarrier]:
    if request.param == "memory":
        yield MemoryJobCarrier()
        return
    broker = request.getfixturevalue("nats_server" if request.param == "nats" else "rabbit_server")
    async with Line(broker).carrier() as carrier:
        yield carrier


async def test_who_waits_is_told(carrier: JobCarrier) -> None:
    waits = asyncio.create_task(heard(carrier))
    await asyncio.sleep(0.05)
    carrier.carry(JobId(an_id()))
    assert await waits


async def test_who_comes_later_is_told_once(carrier: JobCarrier) -> None:
    carrier.carry(JobId(an_id()))
    assert await heard(carrier)
    assert not await heard(carrier, 0.05)


async def test_without_news_nobody_waits_longer_than_they_said(carrier: JobCarrier) -> None:
    async with asyncio.timeout(2):
        assert not await heard(carrier, 0)
        assert not await heard(carrier, 0.05)


async def test_each_news_is_for_one_of_those_who_wait(carrier: JobCarrier) -> None:
    waiting = [asyncio.create_task(heard(carrier, 1.0)) for _ in range(3)]
    await asyncio.sleep(0.1)
    for _ in range(2):
        carrier.carry(JobId(an_id()))
    assert sorted(await asyncio.gather(*waiting)) == [False, True, True]


async def test_who_is_busy_keeps_no_news_from_who_waits(carrier: JobCarrier) -> None:
    carrier.carry(JobId(an_id()))
    async with carrier.news(5) as has_come:
        assert has_come
        carrier.carry(JobId(an_id()))
        assert await heard(carrier)


async def test_who_has_given_up_waiting_takes_no_news_along(carrier: JobCarrier) -> None:
    gone = asyncio.create_task(heard(carrier))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    carrier.carry(JobId(an_id()))
    assert await heard(carrier)


async def test_a_carrier_that_is_there_is_well(carrier: JobCarrier) -> None:
    await carrier.check()


async def test_news_reaches_another_process_once(line: Line) -> None:
    async with line.carrier() as server, line.carrier() as worker, line.carrier() as other:
        waits = asyncio.create_task(heard(worker))
        await asyncio.sleep(0.1)
        server.carry(JobId(an_id()))
        assert await waits
        assert not await heard(other, 0.1)


async def test_nobody_waits_for_a_broker_that_is_not_there(line: Line) -> None:
    scheme, _, _ = line.broker.url.partition(":")
    async with asyncio.timeout(8), line.carrier(f"{scheme}://127.0.0.1:{free_port()}", waits=False) as carrier:
        carrier.carry(JobId(an_id()))
        assert not await heard(carrier, 0.05)
        with pytest.raises(Unavailable):
            await carrier.check()


async def test_news_from_before_an_outage_and_within_is_told_after_it(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    async with line.carrier() as server, line.carrier() as worker:
        server.carry(JobId(an_id()))
        await comes_true(lambda: is_sent(server))
        await asyncio.to_thread(line.broker.stop)
        server.carry(JobId(an_id()))
        with pytest.raises(Unavailable):
            await server.check()
        await asyncio.to_thread(line.broker.start)
        assert await heard(worker, 10.0)
        assert await heard(worker, 10.0)
        await comes_true(lambda: is_well(server))
    assert caplog.text.count("is away") == 2  # each of the two says so once
