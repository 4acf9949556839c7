"""The notifier and the feed of one process, over each technology, for the suites of both ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.nats.connection import Connected
from adapters.outbound.nats.feed import NatsFeed
from adapters.outbound.nats.notifier import NatsProgressNotifier
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from domain.errors import Unavailable
from tests.contract.suites import buses as suites
from tests.contract.suites.buses import BusFactory
from tests.support.builders import an_id
from tests.support.until import comes_true


class Bus(suites.Bus):
    """One of ours."""

    async def close(self) -> None:
        for end in (self.notifier, self.feed):
            if isinstance(end, PostgresFeed | PostgresProgressNotifier | NatsProgressNotifier):
                await end.close()


async def open_bus(url: str | None) -> Bus:
    """One process's; None: in memory."""
    if url is None:
        memory = MemoryFeed()
        return Bus(MemoryProgressNotifier(memory), memory)
    if url.startswith("nats:"):
        return await _open_nats_bus(url)
    feed = PostgresFeed(url)
    notifier = PostgresProgressNotifier(url, feed)
    await feed.start()
    await notifier.start()
    return Bus(notifier, feed)


async def _open_nats_bus(url: str) -> Bus:
    """``#`` and what follows: the subject."""
    url, _, subject = url.partition("#")
    feed = NatsFeed()
    notifier = NatsProgressNotifier(url, feed, subject=subject)
    notifier.start()
    await comes_true(lambda: is_well(notifier))
    return Bus(notifier, feed)


async def is_well(notifier: Connected) -> bool:
    try:
        await notifier.check()
    except Unavailable:
        return False
    return True


@asynccontextmanager
async def opened_bus(url: str | None) -> AsyncIterator[Bus]:
    bus = await open_bus(url)
    try:
        yield bus
    finally:
        await bus.close()


def bus_url_of(request: pytest.FixtureRequest) -> str | None:
    """Of a bus that no other test has; for the technology that is the fixture's parameter."""
    if request.param == "nats":
        server = request.getfixturevalue("nats_server")
        server.start()  # an earlier test may have left it stopped
        return f"{server.url}#{an_id()}"
    return str(request.getfixturevalue("postgres_url")) if request.param == "pg_notify" else None


def bus_factory_of(request: pytest.FixtureRequest) -> BusFactory:
    """For the technology that is the fixture's parameter: ``memory``, ``pg_notify`` or ``nats``."""
    return partial(opened_bus, bus_url_of(request))
