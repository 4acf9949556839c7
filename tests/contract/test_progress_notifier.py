"""The contract of ports/progress_notifier.py: whoever listens hears of it, here and in other processes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from domain.events import EventType
from tests.contract.suites.buses import Bus, BusFactory, Ear
from tests.contract.suites.progress_notifier import (
    ProgressBetweenProcessesSuite,
    ProgressNotifierSuite,
    received,
)
from tests.support.builders import an_event, an_upload
from tests.support.events import bus_factory_of, bus_url_of, open_bus
from tests.support.processes.nats import NatsServer
from tests.support.processes.postgres import PostgresCluster
from tests.support.until import wait_until


@pytest.fixture(params=["memory", "pg_notify", "nats"])
def factory(request: pytest.FixtureRequest) -> BusFactory:
    return bus_factory_of(request)


class TestProgressNotifier(ProgressNotifierSuite):
    """Within one process."""


class TestProgressBetweenProcesses(ProgressBetweenProcessesSuite):
    @pytest.fixture(params=["pg_notify", "nats"])
    def factory(self, request: pytest.FixtureRequest) -> BusFactory:
        return bus_factory_of(request)


@pytest.fixture(params=["pg_notify"])
async def processes(postgres_url: str) -> AsyncIterator[tuple[Bus, Bus]]:
    """Two processes' ends of one bus."""
    here, there = await open_bus(postgres_url), await open_bus(postgres_url)
    yield here, there
    await here.close()
    await there.close()


async def test_what_is_published_while_the_database_is_away_arrives_later(
    processes: tuple[Bus, Bus], postgres: PostgresCluster
) -> None:
    here, there = processes
    ear, own = Ear(), Ear()
    ear.listen_to(there.feed)
    own.listen_to(here.feed)
    await asyncio.to_thread(postgres.stop)
    uploads = [an_upload() for _ in range(3)]
    for upload in uploads:
        here.notifier.publish(an_event(upload, EventType.ABORTED))
    assert len(own.events) == 3
    await asyncio.to_thread(postgres.start)
    # Both connections come back by themselves; if the listening one is the later, it has a gap to report.
    await wait_until(lambda: ear.gaps > 0, 15)
    here.notifier.publish(an_event(uploads[0], EventType.EXPIRED))
    await wait_until(lambda: bool(ear.events) and ear.events[-1].type is EventType.EXPIRED, 15)


async def test_a_cut_connection_loses_nothing_that_was_published(
    processes: tuple[Bus, Bus], postgres: PostgresCluster
) -> None:
    here, there = processes
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload()
    here.notifier.publish(an_event(upload))
    await ear.hears(1)
    # The notifier's backend is the one whose last words were a NOTIFY.
    await asyncio.to_thread(
        postgres.execute,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE 'SELECT pg_notify%' AND pid <> pg_backend_pid()",
    )
    here.notifier.publish(an_event(upload, EventType.ABORTED))
    assert (await ear.hears(2))[-1].type is EventType.ABORTED


@pytest.fixture(params=["nats"])
def nats_url(request: pytest.FixtureRequest) -> str | None:
    return bus_url_of(request)


async def test_what_is_published_while_the_broker_is_away_arrives_later(nats_url: str, nats_server: NatsServer) -> None:
    here, there = await open_bus(nats_url), await open_bus(nats_url)
    ear = Ear()
    await asyncio.to_thread(nats_server.stop)
    uploads = [an_upload() for _ in range(3)]
    for upload in uploads:
        here.notifier.publish(an_event(upload, EventType.ABORTED))
    await there.close()
    await asyncio.to_thread(nats_server.start)
    there = await open_bus(nats_url)
    ear.listen_to(there.feed)
    here.notifier.publish(an_event(uploads[0], EventType.EXPIRED))
    await wait_until(lambda: bool(ear.events) and ear.events[-1].type is EventType.EXPIRED, 15)
    await here.close()
    await there.close()


async def test_too_many_events_while_the_database_is_away_become_a_gap(postgres_url: str) -> None:
    feed = PostgresFeed(postgres_url)
    here, there = PostgresProgressNotifier(postgres_url, feed), await open_bus(postgres_url)
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload()
    for number in range(10_050):
        here.publish(replace(an_event(upload, EventType.FAILED), offset=number))
    assert (ear.events, ear.gaps) == ([], 0)
    await here.start()  # to it the database was away until now
    await ear.hears(10_000, within=30)
    assert [event.offset for event in ear.events] == list(range(50, 10_050))
    assert ear.gaps == 1
    await here.close()
    await there.close()


@pytest.fixture(params=["pg_notify", "nats"])
def bus_url(request: pytest.FixtureRequest) -> str | None:
    return bus_url_of(request)


async def test_closing_sends_what_waits(bus_url: str) -> None:
    here, there = await open_bus(bus_url), await open_bus(bus_url)
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload()
    for up_to in (100, 200, 300):
        here.notifier.publish(an_event(received(upload, up_to), EventType.PROGRESS))
        await asyncio.sleep(0.01)
    await here.close()
    await wait_until(lambda: bool(ear.events) and ear.events[-1].offset == 300)
    await there.close()
