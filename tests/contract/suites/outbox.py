"""What every outbox promises (ports/outbox.py)."""

import asyncio
from datetime import timedelta

import pytest

from domain.events import Event, EventType, UploadEvent
from domain.upload import Upload
from ports.progress_notifier import ProgressNotifier
from tests.contract.suites.stores import Process, Store, StoreSuite, kept
from tests.support.builders import NOW, RememberingNotifier, an_event, an_upload

LATER = NOW + timedelta(seconds=10)


class DyingNotifier(ProgressNotifier):
    """Stands for the end of the process between the commit and the announcement."""

    def publish(self, event: Event) -> None:
        raise SystemExit(9)


async def announce(process: Process, *events: UploadEvent, upload: Upload | None = None) -> None:
    async with process.unit_of_work() as work:
        if upload is not None:
            await work.uploads.add(upload)
        for event in events:
            work.announce(event)
        await work.commit()


async def announce_dying(store: Store, *events: UploadEvent, upload: Upload | None = None) -> None:
    """As ``announce``, by a process that dies before anybody has heard of it."""
    with pytest.raises(SystemExit):
        await announce(store.process(DyingNotifier()), *events, upload=upload)


class OutboxSuite(StoreSuite):
    async def test_what_a_dying_process_committed_another_one_publishes(self, store: Store) -> None:
        upload = an_upload()
        events = [an_event(upload, EventType.CREATED), an_event(upload, EventType.ABORTED)]
        await announce_dying(store, *events, upload=upload)
        notifier = RememberingNotifier()
        heir = store.process(notifier)
        assert (await kept(heir, upload.id)).id == upload.id
        assert await heir.outbox.publish_left(older_than=LATER) == 2
        assert notifier.events == events
        assert await heir.outbox.publish_left(older_than=LATER) == 0

    async def test_an_event_comes_back_as_it_was_announced(self, store: Store) -> None:
        event = UploadEvent(
            type=EventType.PROGRESS,
            time=NOW,
            upload_id=an_upload().id,
            watch_id="watched",
            owner=an_upload().owner,
            filename="Ü\U0001f3d6'\".mov",
            offset=3 * 1024**4,
            length=None,
            state="RECEIVING",
        )
        await announce_dying(store, event)
        notifier = RememberingNotifier()
        await store.process(notifier).outbox.publish_left(older_than=LATER)
        assert notifier.events == [event]

    async def test_fresh_events_are_left_to_the_process_that_announced_them(self, store: Store) -> None:
        await announce_dying(store, an_event(an_upload(), time=LATER))
        notifier = RememberingNotifier()
        heir = store.process(notifier)
        assert await heir.outbox.publish_left(older_than=LATER) == 0
        assert notifier.events == []
        assert await heir.outbox.publish_left(older_than=LATER + timedelta(microseconds=1)) == 1

    async def test_what_was_published_is_not_left(self, store: Store) -> None:
        notifier = RememberingNotifier()
        process = store.process(notifier)
        await announce(process, *(an_event(an_upload()) for _ in range(3)))
        assert await process.outbox.publish_left(older_than=LATER) == 0
        assert len(notifier.events) == 3

    async def test_nothing_published_stays_behind_when_a_process_ends_in_order(self, store: Store) -> None:
        process = store.process()
        await announce(process, *(an_event(an_upload()) for _ in range(3)))
        await process.close()
        assert await store.process().outbox.publish_left(older_than=LATER) == 0

    async def test_more_than_a_batch_is_published_in_order(self, store: Store) -> None:
        upload = an_upload()
        events = [an_event(upload, EventType.PROGRESS, time=NOW + timedelta(microseconds=n)) for n in range(1201)]
        await announce_dying(store, *events)
        notifier = RememberingNotifier()
        assert await store.process(notifier).outbox.publish_left(older_than=LATER) == 1201
        assert notifier.events == events

    async def test_of_processes_that_look_at_the_same_moment_one_publishes_each(self, store: Store) -> None:
        upload = an_upload()
        events = [an_event(upload, EventType.PROGRESS, time=NOW + timedelta(microseconds=n)) for n in range(700)]
        await announce_dying(store, *events)
        notifier = RememberingNotifier()
        heirs = [store.process(notifier) for _ in range(3)]
        counts = await asyncio.gather(*(heir.outbox.publish_left(older_than=LATER) for heir in heirs))
        assert sum(counts) == 700
        assert notifier.events == events
