"""The contract of ports/feed.py: every event, in each upload's order, and a word where some may be missing"""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from tests.contract.suites.buses import BusFactory, Ear
from tests.contract.suites.feed import FeedSuite
from tests.support.builders import an_event, an_upload
from tests.support.events import bus_factory_of, open_bus
from tests.support.ports import free_port
from tests.support.processes.postgres import PostgresCluster
from tests.support.until import wait_until


async def notify(url: str, *payloads: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        for payload in payloads:
            await connection.execute("SELECT pg_notify('longshore_progress', $1)", payload)
    finally:
        await connection.close()


@pytest.fixture(params=["memory", "pg_notify"])
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
