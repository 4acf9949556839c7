"""What every progress notifier promises (ports/progress_notifier.py)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest_asyncio

from domain.events import EventType
from domain.metadata import Metadata
from domain.upload import Upload
from domain.upload_state import UploadState
from tests.contract.suites.buses import Bus, BusFactory, BusSuite, Ear
from tests.support.builders import NOW, an_event, an_upload, extent
from tests.support.until import wait_until


def received(upload: Upload, up_to: int) -> Upload:
    upload.received.add(extent(0, up_to))
    upload.state = UploadState.RECEIVING
    return upload


class ProgressNotifierSuite(BusSuite):
    async def test_listeners_of_this_process_hear_at_once_and_once(self, bus: Bus, ear: Ear) -> None:
        event = an_event(an_upload())
        bus.notifier.publish(event)
        assert ear.events == [event]
        await asyncio.sleep(0.3)
        assert ear.events == [event]

    async def test_publishing_without_listeners_is_no_error(self, bus: Bus) -> None:
        bus.notifier.publish(an_event(an_upload()))

    async def test_a_listener_that_fails_costs_the_publisher_nothing(self, bus: Bus) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("a listener's mistake")

        bus.feed.listen(fail, lambda: None)
        ear = Ear()
        ear.listen_to(bus.feed)
        bus.notifier.publish(an_event(an_upload()))
        assert len(ear.events) == 1

    async def test_an_event_keeps_every_field(self, bus: Bus, ear: Ear) -> None:
        upload = an_upload(
            length=None,
            watch_id="2b1c",
            metadata=Metadata.of(filename='é "\n\u202e.mov'),
            received=(extent(0, 7),),
        )
        event = an_event(upload, EventType.FAILED, time=NOW + timedelta(microseconds=1))
        bus.notifier.publish(event)
        assert ear.events == [event]


class ProgressBetweenProcessesSuite(BusSuite):
    """For a bus that reaches more than its own process."""

    @pytest_asyncio.fixture
    async def processes(self, factory: BusFactory) -> AsyncIterator[tuple[Bus, Bus]]:
        async with factory() as here, factory() as there:
            yield here, there

    async def test_other_processes_hear_it_with_every_field(self, processes: tuple[Bus, Bus]) -> None:
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

    async def test_of_progress_that_came_at_once_others_hear_the_newest(self, processes: tuple[Bus, Bus]) -> None:
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

    async def test_every_change_of_state_arrives_in_order(self, processes: tuple[Bus, Bus]) -> None:
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

    async def test_a_name_of_any_length_gets_through(self, processes: tuple[Bus, Bus]) -> None:
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
