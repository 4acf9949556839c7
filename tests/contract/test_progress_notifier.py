"""The contract of ports/progress_notifier.py: whoever listens hears of it, here and in other processes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.outbound.pg_notify.feed import PostgresFeed
from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
from domain.events import EventType
from domain.metadata import Metadata
from domain.upload import Upload
from domain.upload_state import UploadState
from tests.support.builders import NOW, an_event, an_upload, extent
from tests.support.events import Bus, Ear, open_bus
from tests.support.postgres import PostgresCluster
from tests.support.until import wait_until


@pytest.fixture(params=["memory", "pg_notify"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    bus = await open_bus(request.getfixturevalue("postgres_url") if request.param == "pg_notify" else None)
    yield bus
    await bus.close()


@pytest.fixture(params=["pg_notify"])
async def processes(postgres_url: str) -> AsyncIterator[tuple[Bus, Bus]]:
    """Two processes' ends of one bus."""
    here, there = await open_bus(postgres_url), await open_bus(postgres_url)
    yield here, there
    await here.close()
    await there.close()


@pytest.fixture
def ear(bus: Bus) -> Ear:
    ear = Ear()
    ear.listen_to(bus.feed)
    return ear


def received(upload: Upload, up_to: int) -> Upload:
    upload.received.add(extent(0, up_to))
    upload.state = UploadState.RECEIVING
    return upload


async def test_listeners_of_this_process_hear_at_once_and_once(bus: Bus, ear: Ear) -> None:
    event = an_event(an_upload())
    bus.notifier.publish(event)
    assert ear.events == [event]
    await asyncio.sleep(0.3)
    assert ear.events == [event]


async def test_publishing_without_listeners_is_no_error(bus: Bus) -> None:
    bus.notifier.publish(an_event(an_upload()))


async def test_a_listener_that_fails_costs_the_publisher_nothing(bus: Bus) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a listener's mistake")

    bus.feed.listen(fail, lambda: None)
    ear = Ear()
    ear.listen_to(bus.feed)
    bus.notifier.publish(an_event(an_upload()))
    assert len(ear.events) == 1


async def test_an_event_keeps_every_field(bus: Bus, ear: Ear) -> None:
    upload = an_upload(
        length=None,
        watch_id="2b1c",
        metadata=Metadata.of(filename='é "\n\u202e.mov'),
        received=(extent(0, 7),),
    )
    event = an_event(upload, EventType.FAILED, time=NOW + timedelta(microseconds=1))
    bus.notifier.publish(event)
    assert ear.events == [event]


async def test_other_processes_hear_it_with_every_field(processes: tuple[Bus, Bus]) -> None:
    here, there = processes
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload(
        length=None,
        watch_id="2b1c",
        metadata=Metadata.of(filename='é "\n\u202e.mov'),
        received=(extent(0, 7),),
    )
    events = [
        an_event(upload, EventType.CREATED, time=NOW + timedelta(microseconds=1)),
        an_event(an_upload(length=50 * 1024**3), EventType.ABORTED),
    ]
    for event in events:
        here.notifier.publish(event)
    assert await ear.hears(2) == events


async def test_of_progress_that_came_at_once_others_hear_the_newest(processes: tuple[Bus, Bus]) -> None:
    here, there = processes
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload(length=10_000)
    here.notifier.publish(an_event(upload))
    began = asyncio.get_running_loop().time()
    for up_to in range(100, 10_000, 100):
        here.notifier.publish(an_event(received(upload, up_to), EventType.PROGRESS))
        await asyncio.sleep(0.005)
    await wait_until(lambda: bool(ear.events) and ear.events[-1].offset == 9_900)
    seconds = asyncio.get_running_loop().time() - began
    assert len(ear.events) <= 3 + 10 * seconds
    offsets = [event.offset for event in ear.events]
    assert offsets == sorted(set(offsets))


async def test_every_change_of_state_arrives_in_order(processes: tuple[Bus, Bus]) -> None:
    here, there = processes
    ear = Ear()
    ear.listen_to(there.feed)
    uploads = [an_upload() for _ in range(300)]
    for upload in uploads:
        here.notifier.publish(an_event(upload))
        here.notifier.publish(an_event(received(upload, 500), EventType.PROGRESS))
        here.notifier.publish(an_event(upload, EventType.FAILED))
        here.notifier.publish(an_event(upload, EventType.COMPLETED))
    await ear.hears(900)
    for upload in uploads:
        types = [event.type for event in ear.events if event.upload_id == upload.id]
        assert types == [EventType.CREATED, EventType.FAILED, EventType.COMPLETED]


async def test_a_name_of_any_length_gets_through(processes: tuple[Bus, Bus]) -> None:
    here, there = processes
    ear = Ear()
    ear.listen_to(there.feed)
    # Metadata bounds a name to 1,024 characters; the port promises nothing of the kind.
    names = ["a" * 20_000, "\U0001f600" * 1024, "\x01" * 1024, '"' * 9_000, "\ud800x"]
    for name in names:
        here.notifier.publish(replace(an_event(an_upload()), filename=name))
    heard = await ear.hears(len(names))
    assert heard[1].filename == names[1]
    assert heard[2].filename == names[2]
    for event, name in zip(heard[:4], names, strict=False):
        assert name.startswith(event.filename)
        assert len(event.filename) > 500


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


async def test_closing_sends_what_waits(postgres_url: str) -> None:
    here, there = await open_bus(postgres_url), await open_bus(postgres_url)
    ear = Ear()
    ear.listen_to(there.feed)
    upload = an_upload()
    for up_to in (100, 200, 300):
        here.notifier.publish(an_event(received(upload, up_to), EventType.PROGRESS))
        await asyncio.sleep(0.01)
    await here.close()
    await wait_until(lambda: bool(ear.events) and ear.events[-1].offset == 300)
    await there.close()
