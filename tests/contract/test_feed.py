"""The contract of ports/feed.py: every event, in each upload's order, and a word where some may be missing"""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import nats
import pytest

from adapters.outbound.nats.feed import NatsFeed
from adapters.outbound.nats.notifier import NatsProgressNotifier
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from tests.contract.suites.buses import BusFactory, Ear
from tests.contract.suites.feed import FeedSuite
from tests.support.builders import an_event, an_upload
from tests.support.events import bus_factory_of, bus_url_of, is_well, open_bus
from tests.support.ports import free_port
from tests.support.processes.nats import NatsServer
from tests.support.processes.postgres import PostgresCluster
from tests.support.until import wait_until


async def notify(url: str, *payloads: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        for payload in payloads:
            await connection.execute("SELECT pg_notify('longshore_progress', $1)", payload)
    finally:
        await connection.close()


@pytest.fixture(params=["memory", "pg_notify", "nats"])
def factory(request: pytest.FixtureRequest) -> BusFactory:
    return bus_factory_of(request)


class TestFeed(FeedSuite):
    """All of it."""


@pytest.fixture(params=["pg_notify"])
async def feed(postgres_url: str) -> AsyncIterator[PostgresFeed]:
    """A feed that depends on a connection."""
    feed = PostgresFeed(postgres_url)
    await feed.start()
    yield feed
    await feed.close()


async def test_a_lost_connection_comes_back_and_is_a_gap(
    feed: PostgresFeed, postgres: PostgresCluster, postgres_url: str
) -> None:
    ear = Ear()
    ear.listen_to(feed)
    assert ear.gaps == 0
    await asyncio.to_thread(
        postgres.execute,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
    )
    await wait_until(lambda: ear.gaps == 1)
    other = await open_bus(postgres_url)
    other.notifier.publish(an_event(an_upload()))
    await ear.hears(1)
    await other.close()


async def test_a_restarted_database_is_a_gap(feed: PostgresFeed, postgres: PostgresCluster) -> None:
    ear = Ear()
    ear.listen_to(feed)
    await asyncio.to_thread(postgres.stop, "immediate")
    await asyncio.sleep(0.5)
    assert ear.gaps == 0
    await asyncio.to_thread(postgres.start)
    await wait_until(lambda: ear.gaps == 1, 15)


async def test_a_gap_that_a_listener_fails_on_is_told_to_the_others(feed: PostgresFeed) -> None:
    def fail() -> None:
        raise RuntimeError("a listener's mistake")

    ear = Ear()
    feed.listen(ear.hear, fail)
    ear.listen_to(feed)
    feed.report_gap()
    assert ear.gaps == 1


@pytest.mark.parametrize(
    "junk", ["", "x", "null", "[]", "{}", '{"o":"x","t":"upload.melted"}', '{"o":"x","t":"upload.created"}']
)
async def test_a_notice_of_somebody_else_is_passed_over(feed: PostgresFeed, postgres_url: str, junk: str) -> None:
    ear = Ear()
    ear.listen_to(feed)
    await notify(postgres_url, junk)
    other = await open_bus(postgres_url)
    other.notifier.publish(an_event(an_upload()))
    await ear.hears(1)
    await other.close()


async def test_a_gap_of_another_process_is_a_gap_here(feed: PostgresFeed, postgres_url: str) -> None:
    ear = Ear()
    ear.listen_to(feed)
    await notify(postgres_url, '{"o":"another"}')
    await wait_until(lambda: ear.gaps == 1)


async def test_without_a_database_it_starts_and_goes_on_trying() -> None:
    feed = PostgresFeed(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    notifier = PostgresProgressNotifier("postgresql://nobody@127.0.0.1:1/none?ssl=disable", feed)
    starting = asyncio.create_task(feed.start())
    ear = Ear()
    ear.listen_to(feed)
    notifier.publish(an_event(an_upload()))
    assert len(ear.events) == 1
    await asyncio.sleep(0.3)
    starting.cancel()
    await notifier.close()
    await feed.close()


@pytest.fixture(params=["nats"])
def nats_url(request: pytest.FixtureRequest) -> str:
    url = bus_url_of(request)
    assert url is not None
    return url


async def test_a_restarted_broker_is_a_gap_and_what_follows_is_heard(nats_url: str, nats_server: NatsServer) -> None:
    here, there = await open_bus(nats_url), await open_bus(nats_url)
    ear = Ear()
    ear.listen_to(there.feed)
    await asyncio.to_thread(nats_server.stop)
    assert ear.gaps == 0
    missed = an_event(an_upload())
    here.notifier.publish(missed)  # it waits, and comes once both are back
    await asyncio.to_thread(nats_server.start)
    await wait_until(lambda: ear.gaps == 1, 10)
    event = an_event(an_upload())
    here.notifier.publish(event)
    await wait_until(lambda: event in ear.events, 10)
    await here.close()
    await there.close()


async def test_a_message_of_somebody_else_is_passed_over_and_a_gap_is_told(nats_url: str) -> None:
    bus = await open_bus(nats_url)
    ear = Ear()
    ear.listen_to(bus.feed)
    url, _, subject = nats_url.partition("#")
    stranger = await nats.connect(url)
    for junk in ("", "x", "[1]", '"event"', '{"event":{}}', '{"event":{"type":"upload.melted","time":"2026-11-30"}}'):
        await stranger.publish(subject, junk.encode())
    await stranger.publish(subject, b"{}")
    await wait_until(lambda: ear.gaps == 1)
    assert ear.events == []
    await stranger.close()
    await bus.close()


async def test_without_a_broker_it_starts_and_goes_on_trying() -> None:
    feed = NatsFeed()
    notifier = NatsProgressNotifier(f"nats://127.0.0.1:{free_port()}", feed)
    notifier.start()
    ear = Ear()
    ear.listen_to(feed)
    notifier.publish(an_event(an_upload()))
    assert len(ear.events) == 1
    assert not await is_well(notifier)
    await notifier.close()
