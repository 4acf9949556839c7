"""The notifier and the feed of one process, over each technology, for the suites of both ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from tests.contract.suites import buses as suites
from tests.contract.suites.buses import BusFactory


class Bus(suites.Bus):
    """One of ours."""

    async def close(self) -> None:
        for end in (self.notifier, self.feed):
            if isinstance(end, PostgresFeed | PostgresProgressNotifier):
                await end.close()


async def open_bus(url: str | None) -> Bus:
    """One process's; None: in memory."""
    if url is None:
        memory = MemoryFeed()
        return Bus(MemoryProgressNotifier(memory), memory)
    feed = PostgresFeed(url)
    notifier = PostgresProgressNotifier(url, feed)
    await feed.start()
    await notifier.start()
    return Bus(notifier, feed)


@asynccontextmanager
async def opened_bus(url: str | None) -> AsyncIterator[Bus]:
    bus = await open_bus(url)
    try:
        yield bus
    finally:
        await bus.close()


def bus_factory_of(request: pytest.FixtureRequest) -> BusFactory:
    """For the technology that is the fixture's parameter: ``memory`` or ``pg_notify``."""
    return partial(opened_bus, request.getfixturevalue("postgres_url") if request.param == "pg_notify" else None)
