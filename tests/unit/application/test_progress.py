"""Watching uploads: snapshots, events, who may see what; reports that come late, twice or not at all."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWork
from application.progress import MAX_WATCHES, ProgressUseCase
from application.progress.messages import ProgressMessage, Subscriber
from domain.access import Principal
from domain.errors import RepositoryUnavailable, TooManyWatched
from domain.events import Event, EventType
from domain.upload import Upload
from ports.unit_of_work import UnitOfWork
from tests.support.builders import ADMIN, ALICE, BOB, an_id
from tests.support.progress import House
from tests.support.virtual_time import VirtualClock, run_virtually

FIELDS = [
    *("type", "sequence", "time", "upload_id", "filename", "offset", "length"),
    *("percent", "bytes_per_second", "eta_seconds", "state"),
]


class Reader(Subscriber):
    """Reads everything at once."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def offer(self, message: ProgressMessage) -> None:
        self.messages.append(json.loads(message.body))

    async def ready(self) -> None:
        return

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def offsets(self) -> list[int]:
        return [message["offset"] for message in self.messages if message["type"] != "error"]

    @property
    def last(self) -> dict[str, Any]:
        return self.messages[-1]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.progress.close()


async def settle(seconds: float = 0.01) -> None:
    await asyncio.sleep(seconds)


class TestSnapshots:
    async def test_a_snapshot_comes_first_with_every_field(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.receive(upload, 250)
        await house.progress.subscribe(ALICE, reader, [upload.id])
        (snapshot,) = reader.messages
        assert list(snapshot) == FIELDS
        assert snapshot["type"] == "upload.snapshot"
        assert snapshot["upload_id"] == upload.id
        assert (snapshot["offset"], snapshot["length"], snapshot["percent"]) == (250, 1000, 25.0)
        assert (snapshot["bytes_per_second"], snapshot["eta_seconds"]) == (0, None)
        assert (snapshot["filename"], snapshot["state"]) == ("holiday.mov", "RECEIVING")
        assert datetime.fromisoformat(snapshot["time"]).utcoffset() == timedelta(0)
        assert snapshot["time"].endswith("Z")
        assert len(snapshot["time"]) == len("2026-11-20T10:00:00.123Z")

    async def test_an_unknown_length_is_null(self, house: House) -> None:
        upload, reader = await house.begin(ALICE, length=None), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        assert (reader.last["length"], reader.last["percent"], reader.last["eta_seconds"]) == (
            None,
            None,
            None,
        )

    async def test_an_event_during_the_read_is_not_lost(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, [upload.id]))
        await settle()
        house.receive(upload, 700)  # what was read says 0
        house.gate.set()
        await subscribing
        assert (reader.types, reader.offsets) == (["upload.snapshot"], [700])
        house.receive(upload, 800)
        await settle(0.2)
        assert reader.offsets == [700, 800]

    async def test_an_end_during_the_read_is_not_lost(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, [upload.id]))
        await settle()
        house.receive(upload, 1000)
        house.end(upload)
        house.gate.set()
        await subscribing
        await settle()
        assert [message["state"] for message in reader.messages] == ["COMPLETED"]

    async def test_an_upload_that_appears_during_the_read_is_shown(self, house: House) -> None:
        reader, watch_id = Reader(), an_id()
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, [watch_id]))
        await settle()
        await house.begin(ALICE, watch_id=watch_id)
        house.gate.set()
        await subscribing
        assert reader.types == ["upload.snapshot"]

    async def test_an_event_older_than_the_snapshot_is_dropped(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        late = house.store(upload, 300)
        house.store(upload, 600)
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.notifier.publish(late)
        await settle(0.2)
        assert reader.offsets == [600]

    async def test_those_who_watch_already_hear_what_a_later_reader_found(self) -> None:
        house = House(fresh_seconds=0.0)
        upload, first, second = await house.begin(ALICE), Reader(), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        event = house.store(upload, 600)
        await house.progress.subscribe(ALICE, second, [upload.id])
        house.notifier.publish(event)
        await settle(0.2)
        assert (first.offsets, second.offsets) == ([0, 600], [600])
        await house.progress.close()


class TestEvents:
    async def test_the_story_of_an_upload(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        for up_to in (250, 500, 1000):
            house.receive(upload, up_to)
            await settle(0.15)
        house.end(upload)
        await settle()
        assert reader.types == ["upload.snapshot", *["upload.progress"] * 3, "upload.completed"]
        assert reader.offsets == [0, 250, 500, 1000, 1000]
        assert [message["percent"] for message in reader.messages] == [0.0, 25.0, 50.0, 100.0, 100.0]
        assert reader.last["eta_seconds"] == 0.0
        sequences = [message["sequence"] for message in reader.messages]
        assert sequences == sorted(set(sequences))

    async def test_at_most_ten_a_second_and_the_newest_always_arrives(self, house: House) -> None:
        upload, reader = await house.begin(ALICE, length=10**6), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        began = time.monotonic()
        for up_to in range(1000, 150_000, 1000):
            house.receive(upload, up_to)
            await settle(0.005)
        told_by_then, took = len(reader.messages), time.monotonic() - began
        await settle(0.2)
        assert reader.last["offset"] == 149_000
        assert 4 <= told_by_then <= 10 * took + 2  # in about a second
        assert reader.offsets == sorted(set(reader.offsets))
        assert len(house.encoded) == len(reader.messages)

    async def test_changes_of_state_come_at_once(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.receive(upload, 400)
        house.receive(upload, 1000)
        house.end(upload, EventType.FAILED)
        house.end(upload)
        await settle()
        assert reader.types[-2:] == ["upload.failed", "upload.completed"]

    async def test_what_lasts_is_told_with_the_id_of_its_event(self, house: House) -> None:
        upload, readers = await house.begin(ALICE), (Reader(), Reader())
        for reader in readers:
            await house.progress.subscribe(ALICE, reader, [upload.id])
        house.receive(upload, 400)
        await settle(0.2)
        house.finish(upload)
        end = upload.event(EventType.COMPLETED, house.clock.now())
        house.notifier.publish(end)
        await settle()
        for reader in readers:
            ids = [message.get("event_id") for message in reader.messages]
            assert ids == [None, None, end.id]

    @pytest.mark.parametrize("end", [EventType.COMPLETED, EventType.ABORTED, EventType.EXPIRED])
    async def test_nothing_follows_the_end(self, house: House, end: EventType) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        late = house.store(upload, 300)
        house.end(upload, end)
        house.notifier.publish(late)
        house.notifier.publish(upload.event(end, house.clock.now()))  # the outbox may tell it twice
        await settle(0.2)
        assert reader.types == ["upload.snapshot", end]

    async def test_an_end_told_as_progress_is_told_as_an_end(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.receive(upload, 1000)
        house.finish(upload)
        house.notifier.publish(upload.event(EventType.PROGRESS, house.clock.now()))
        await settle(0.2)
        assert reader.types[-1] == "upload.completed"

    async def test_speed_and_time_left_are_measured(self, house: House) -> None:
        upload, reader = await house.begin(ALICE, length=100_000), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        for up_to in range(5_000, 55_000, 5_000):
            house.receive(upload, up_to)
            await settle(0.1)
        await settle(0.1)
        assert 25_000 < reader.last["bytes_per_second"] < 60_000
        assert 0.5 < reader.last["eta_seconds"] < 2.5

    async def test_text_is_made_once_for_a_thousand_watchers(self, house: House) -> None:
        upload, readers = await house.begin(ALICE), [Reader() for _ in range(1000)]
        for reader in readers:
            await house.progress.subscribe(ALICE, reader, [upload.id])
        house.encoded.clear()
        house.receive(upload, 500)
        await settle(0.1)
        assert house.encoded == ["upload.progress"]
        assert all(reader.offsets == [0, 500] for reader in readers)

    async def test_a_form_is_made_once(self) -> None:
        made = []

        def form(message: ProgressMessage) -> bytes:
            made.append(message)
            return b"<" + message.body + b">"

        message = ProgressMessage(key="k", type_="t", sequence=1, body=b"x")
        assert [message.rendered(form) for _ in range(3)] == [b"<x>"] * 3
        assert made == [message]

    async def test_a_broken_reader_costs_the_others_nothing(self, house: House) -> None:
        class Broken(Reader):
            def offer(self, message: ProgressMessage) -> None:
                if message.type == "upload.progress":
                    raise RuntimeError("broken")

        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, Broken(), [upload.id])
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.receive(upload, 500)
        await settle()
        assert reader.offsets == [0, 500]


class TestWhoSeesWhat:
    async def test_foreign_and_unknown_are_answered_the_same(self, house: House) -> None:
        upload, reader = await house.begin(BOB), Reader()
        unknown = an_id()
        await house.progress.subscribe(ALICE, reader, [upload.id, unknown])
        house.receive(upload, 500)
        house.end(upload)
        await settle(0.2)
        assert reader.messages == [
            {"type": "error", "code": "not_found", "upload_id": id_} for id_ in (upload.id, unknown)
        ]

    async def test_what_cannot_be_an_id_is_answered_the_same_without_a_look(self, house: House) -> None:
        reader = Reader()
        await house.progress.subscribe(ALICE, reader, ["../../etc/passwd", "a\0b", "x" * 100])
        assert {message["code"] for message in reader.messages} == {"not_found"}

    async def test_an_administrator_watches_anybody_by_id(self, house: House) -> None:
        upload, reader = await house.begin(BOB), Reader()
        await house.progress.subscribe(ADMIN, reader, [upload.id])
        house.receive(upload, 500)
        await settle()
        assert reader.offsets == [0, 500]

    async def test_a_page_watches_a_form_it_is_about_to_post(self, house: House) -> None:
        reader, watch_id = Reader(), an_id()
        await house.progress.subscribe(ALICE, reader, [watch_id])
        assert reader.types == ["error"]
        upload = await house.begin(ALICE, watch_id=watch_id, length=None)
        house.receive(upload, 500)
        await settle(0.2)
        house.end(upload)
        await settle()
        assert reader.types[1:] == ["upload.created", "upload.progress", "upload.completed"]
        assert {message["upload_id"] for message in reader.messages} == {watch_id}

    async def test_a_wish_for_an_id_shows_nothing_of_another_owner(self, house: House) -> None:
        reader, watch_id = Reader(), an_id()
        await house.progress.subscribe(ALICE, reader, [watch_id])
        foreign = await house.begin(BOB, watch_id=watch_id)
        house.receive(foreign, 500)
        own = await house.begin(ALICE, watch_id=watch_id)
        house.receive(foreign, 900)
        house.receive(own, 100)
        await settle(0.2)
        assert reader.types[1:] == ["upload.created", "upload.progress"]
        assert reader.last["offset"] == 100

    async def test_a_form_posted_again_under_its_id_is_shown_from_its_beginning(self, house: House) -> None:
        watch_id, reader = an_id(), Reader()
        first = await house.begin(ALICE, watch_id=watch_id)
        await house.progress.subscribe(ALICE, reader, [watch_id])
        late = house.store(first, 500)
        house.end(first, EventType.ABORTED)
        second = await house.begin(ALICE, watch_id=watch_id)
        house.notifier.publish(late)
        house.receive(second, 100)
        await settle(0.2)
        assert reader.types == ["upload.snapshot", "upload.aborted", "upload.created", "upload.progress"]
        assert reader.offsets[-2:] == [0, 100]


class TestScopeMine:
    async def test_open_uploads_first_then_later_ones(self, house: House) -> None:
        first, foreign, reader = await house.begin(ALICE), await house.begin(BOB), Reader()
        done = await house.begin(ALICE)
        house.end(done)
        await house.progress.subscribe(ALICE, reader, mine=True)
        assert [message["upload_id"] for message in reader.messages] == [first.id]
        second = await house.begin(ALICE)
        house.receive(second, 500)
        house.receive(foreign, 500)
        await settle(0.2)
        told = [(message["type"], message["upload_id"]) for message in reader.messages[1:]]
        assert told == [("upload.created", second.id), ("upload.progress", second.id)]

    async def test_an_administrators_own_are_only_their_own(self, house: House) -> None:
        await house.begin(BOB)
        reader = Reader()
        await house.progress.subscribe(ADMIN, reader, mine=True)
        await house.begin(BOB)
        own = await house.begin(ADMIN)
        await settle()
        assert [message["upload_id"] for message in reader.messages] == [own.id]

    async def test_uploads_begun_during_the_read_are_shown_once(self, house: House) -> None:
        old, reader = await house.begin(ALICE), Reader()
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, mine=True))
        await settle()
        new = await house.begin(ALICE)
        house.receive(new, 500)
        house.receive(old, 700)
        house.gate.set()
        await subscribing
        await settle(0.2)
        assert sorted((message["type"], message["offset"]) for message in reader.messages) == [
            ("upload.snapshot", 500),
            ("upload.snapshot", 700),
        ]

    async def test_ended_uploads_take_no_place(self, house: House) -> None:
        reader = Reader()
        await house.progress.subscribe(ALICE, reader, mine=True)
        for _ in range(50):
            upload = await house.begin(ALICE)
            house.end(upload)
            await settle(0)
            house.notifier.publish(upload.event(EventType.COMPLETED, house.clock.now()))
        await settle(0.05)
        assert reader.types == ["upload.created", "upload.completed"] * 50
        assert house.progress._hub._channels == {}
        assert house.progress._hub._wishes == {}

    async def test_one_upload_can_be_left_out(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, mine=True)
        house.progress.unsubscribe(reader, [upload.id])
        house.receive(upload, 500)
        await house.begin(ALICE)
        await settle(0.2)
        assert reader.types == ["upload.snapshot", "upload.created"]


class TestLeaving:
    async def test_after_unsubscribing_nothing_comes(self, house: House) -> None:
        upload, other, reader = await house.begin(ALICE), await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id, other.id])
        house.receive(upload, 500)
        house.progress.unsubscribe(reader, [upload.id])
        house.receive(other, 500)
        await settle(0.2)
        assert [message["upload_id"] for message in reader.messages[2:]] == [other.id]

    async def test_nothing_is_kept_of_what_nobody_watches(self, house: House) -> None:
        uploads, readers = [await house.begin(ALICE) for _ in range(5)], [Reader() for _ in range(5)]
        for reader in readers:
            await house.progress.subscribe(ALICE, reader, [*(upload.id for upload in uploads), an_id()], mine=True)
        for upload in uploads:
            house.receive(upload, 500)
            house.receive(upload, 600)
        for reader in readers:
            house.progress.leave(reader)
        hub = house.progress._hub
        assert (hub._channels, hub._wishes, hub._unmet, hub._owners, hub._readers) == ({}, {}, {}, {}, {})
        await settle(0.2)
        assert all(len(reader.messages) == 6 for reader in readers)

    async def test_who_leaves_during_the_read_hears_nothing(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, [upload.id], mine=True))
        await settle()
        house.progress.leave(reader)
        house.receive(upload, 500)
        house.gate.set()
        await subscribing
        await settle(0.2)
        assert reader.messages == []
        assert house.progress._hub._channels == {}

    async def test_subscribing_again_shows_it_again(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.receive(upload, 500)
        await settle(0.2)
        assert reader.types == ["upload.snapshot", "upload.snapshot", "upload.progress"]


class TestBounds:
    async def test_too_many_ids_are_refused_whole(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        with pytest.raises(TooManyWatched):
            await house.progress.subscribe(ALICE, reader, [an_id() for _ in range(MAX_WATCHES)])
        assert len(reader.messages) == 1
        house.receive(upload, 500)
        await settle()
        assert reader.offsets == [0, 500]

    async def test_a_database_that_is_away_is_an_error_and_not_a_wish(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.is_away = True
        with pytest.raises(RepositoryUnavailable):
            await house.progress.subscribe(ALICE, reader, [upload.id], mine=True)
        house.receive(upload, 500)
        await settle(0.2)
        assert reader.messages == []
        house.is_away = False
        await house.progress.subscribe(ALICE, reader, [upload.id])
        assert reader.offsets == [500]

    async def test_a_slow_reader_of_many_snapshots_holds_no_unit_of_work(self, house: House) -> None:
        class Slow(Reader):
            def __init__(self) -> None:
                super().__init__()
                self.may_go_on = asyncio.Event()

            async def ready(self) -> None:
                await self.may_go_on.wait()

        uploads, slow, quick = [await house.begin(ALICE) for _ in range(150)], Slow(), Reader()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, slow, [upload.id for upload in uploads]))
        await settle()
        assert 10 < len(slow.messages) < 100  # the next ones wait until these were taken
        await asyncio.wait_for(house.progress.subscribe(ALICE, quick, [uploads[0].id]), 1)
        house.receive(uploads[-1], 700)
        slow.may_go_on.set()
        await subscribing
        assert len(slow.messages) == 150
        assert slow.last["offset"] == 700


class TestGaps:
    async def test_what_was_missed_is_read_and_told(self, house: House) -> None:
        upload, done, reader = await house.begin(ALICE), await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id, done.id])
        house.feed.is_cut = True
        house.receive(upload, 600)
        house.receive(done, 1000)
        house.end(done)
        house.feed.come_back()
        await settle(0.05)
        told = {(message["upload_id"], message["type"], message["offset"]) for message in reader.messages[2:]}
        assert told == {(upload.id, "upload.progress", 600), (done.id, "upload.completed", 1000)}

    async def test_uploads_that_began_in_the_gap_are_shown(self, house: House) -> None:
        mine, waiting, watch_id = Reader(), Reader(), an_id()
        await house.progress.subscribe(ALICE, mine, mine=True)
        await house.progress.subscribe(ALICE, waiting, [watch_id])
        house.feed.is_cut = True
        await house.begin(ALICE, watch_id=watch_id)
        house.feed.come_back()
        await settle(0.05)
        assert mine.types == ["upload.snapshot"]
        assert waiting.types == ["error", "upload.snapshot"]

    async def test_a_database_away_at_the_gap_is_asked_again(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.feed.is_cut = True
        house.receive(upload, 600)
        house.is_away = True
        house.feed.come_back()
        await settle(0.05)
        house.is_away = False
        await settle(1.2)
        assert reader.last["offset"] == 600

    async def test_a_thousand_watchers_of_one_upload_cost_one_read(self, house: House) -> None:
        upload = await house.begin(ALICE)
        for _ in range(1000):
            await house.progress.subscribe(ALICE, Reader(), [upload.id])
        house.reads = 0
        house.feed.come_back()
        await settle(0.05)
        assert house.reads == 1


class TestComingBack:
    async def test_a_snapshot_that_was_seen_is_left_out(self, house: House) -> None:
        upload, first, second, third = await house.begin(ALICE), Reader(), Reader(), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        house.receive(upload, 500)
        await settle()
        house.progress.leave(first)
        await house.progress.subscribe(ALICE, second, [upload.id], after=first.last["sequence"])
        assert second.messages == []
        house.receive(upload, 600)
        await settle(0.2)
        assert (second.types, second.offsets) == (["upload.progress"], [600])
        await house.progress.subscribe(ALICE, third, [upload.id], after=first.last["sequence"])
        assert third.types == ["upload.snapshot"]

    async def test_a_missed_completion_is_shown(self, house: House) -> None:
        upload, first, second = await house.begin(ALICE), Reader(), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        house.progress.leave(first)
        house.receive(upload, 1000)
        house.end(upload)
        await house.progress.subscribe(ALICE, second, [upload.id], after=first.last["sequence"])
        assert [message["state"] for message in second.messages] == ["COMPLETED"]

    async def test_after_a_restart_sequences_go_on(self, house: House) -> None:
        upload, before, after = await house.begin(ALICE), Reader(), Reader()
        await house.progress.subscribe(ALICE, before, [upload.id])
        restarted = ProgressUseCase(house.units, house.feed, house.clock)
        await restarted.subscribe(ALICE, after, [upload.id], after=before.last["sequence"])
        await restarted.close()
        assert after.last["sequence"] > before.last["sequence"]

    async def test_a_creation_heard_of_late_is_news_to_those_who_did_not_know_the_upload(self, house: House) -> None:
        """Somebody who asked for it by its id has made it known in this process already."""
        everything, one = Reader(), Reader()
        await house.progress.subscribe(ALICE, everything, mine=True)
        house.feed.is_cut = True
        upload = await house.begin(ALICE)
        await house.progress.subscribe(ALICE, one, [upload.id])
        house.feed.is_cut = False
        house.notifier.publish(upload.event(EventType.CREATED, upload.created_at))
        await settle()
        assert everything.types == one.types == ["upload.snapshot"]
        house.notifier.publish(upload.event(EventType.CREATED, upload.created_at))
        house.receive(upload, 500)
        await settle(0.2)
        assert everything.types == one.types == ["upload.snapshot", "upload.progress"]

    async def test_an_ended_upload_never_looks_alive_again(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, mine=True)
        late = house.store(upload, 500)
        house.end(upload)
        await settle()
        house.notifier.publish(late)
        house.notifier.publish(replace(late, type=EventType.CREATED))
        await settle(0.2)
        assert reader.types == ["upload.snapshot", "upload.completed"]


class UnreliableFeed(MemoryFeed):
    """Late, twice, out of order, or not at all; for what it dropped it owes a gap."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._on_gap: list[Callable[[], None]] = []

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        self._on_gap.append(on_gap)
        return super().listen(on_event, on_gap)

    def deliver(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._chance.choice([0, 1, 1, 1, 1, 2])):
            loop.call_later(self._chance.choice([0, 0, 0.01, 0.05]), super().deliver, event)

    def report_gap(self) -> None:
        for on_gap in self._on_gap:
            on_gap()


class SlowUnitOfWork(MemoryUnitOfWork):
    """What it read is old by the time it is used."""

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)  # type: ignore[arg-type]
        await asyncio.sleep(0.02)


class Turmoil:
    """Uploads that move, readers that come and go, a feed that can't be relied on."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.house = House(VirtualClock())
        self.house.new_id = lambda: f"{self.chance.getrandbits(128):032x}"
        self.feed = UnreliableFeed(self.chance)
        self.house.feed = self.feed  # type: ignore[assignment]
        self.house.notifier = MemoryProgressNotifier(self.feed)
        self.house._outbox._notifier = self.house.notifier
        self.progress = ProgressUseCase(self._units, self.feed, self.house.clock)
        self.uploads: list[Upload] = []
        self.readers: dict[Reader, Principal] = {}
        self.wanted: dict[Reader, set[str]] = {}
        self.unwanted: dict[Reader, set[str]] = {}
        self.all_wanted: set[Reader] = set()

    def _units(self) -> UnitOfWork:
        return SlowUnitOfWork(self.house.database, self.house._outbox)

    async def run(self) -> None:
        for _ in range(5):
            self.uploads.append(await self.house.begin(self.chance.choice([ALICE, BOB])))
        await asyncio.gather(*(self._move() for _ in range(2)), *(self._read() for _ in range(4)))
        await asyncio.sleep(0.1)
        self.feed.report_gap()
        if self.progress._resyncing:
            await self.progress._resyncing
        await asyncio.sleep(0.3)
        await self.progress.close()

    async def _move(self) -> None:
        for _ in range(60):
            await asyncio.sleep(self.chance.choice([0, 0.005, 0.02]))
            upload = self.chance.choice(self.uploads)
            match self.chance.randrange(12):
                case 0:
                    self.uploads.append(await self.house.begin(self.chance.choice([ALICE, BOB])))
                case 1 if upload.state.is_open:
                    self.house.end(upload, self.chance.choice([EventType.ABORTED, EventType.EXPIRED]))
                case _ if upload.state.is_open and upload.offset < 1000:
                    self.house.receive(upload, min(1000, upload.offset + self.chance.randrange(1, 100)))
                case _ if upload.state.is_open:
                    self.house.end(upload)

    async def _read(self) -> None:
        reader = self._arrive()
        for _ in range(25):
            await asyncio.sleep(self.chance.choice([0, 0.01, 0.04]))
            watch_id = self.chance.choice(self.uploads).watch_id
            match self.chance.randrange(8):
                case 0:
                    self.progress.unsubscribe(reader, [watch_id])
                    self.wanted[reader].discard(watch_id)
                    self.unwanted[reader].add(watch_id)
                case 1:
                    self.progress.leave(reader)
                    del self.wanted[reader]
                    self.all_wanted.discard(reader)
                    reader = self._arrive()
                case 2 if not self.wanted[reader]:
                    self.all_wanted.add(reader)
                    self.unwanted[reader].clear()
                    await self.progress.subscribe(self.readers[reader], reader, mine=True)
                case _ if reader not in self.all_wanted:
                    self.wanted[reader].add(watch_id)
                    reader.messages.append({"type": "asked", "upload_id": watch_id})
                    await self.progress.subscribe(self.readers[reader], reader, [watch_id])

    def _arrive(self) -> Reader:
        reader = Reader()
        self.readers[reader] = self.chance.choice([ALICE, BOB, ADMIN])
        self.wanted[reader] = set()
        self.unwanted[reader] = set()
        return reader

    def check_stories(self) -> None:
        for reader in self.readers:
            for watch_id in {message["upload_id"] for message in reader.messages}:
                self._check_story([message for message in reader.messages if message["upload_id"] == watch_id])

    def _check_story(self, messages: list[dict[str, Any]]) -> None:
        told = [message for message in messages if message["type"] not in ("asked", "error")]
        assert [message["sequence"] for message in told] == sorted({message["sequence"] for message in told})
        assert [message["offset"] for message in told] == sorted(message["offset"] for message in told)
        for before, after in pairwise(messages):
            if before.get("state") in ("COMPLETED", "ABORTED", "EXPIRED"):
                assert after["type"] == "asked", "something followed the end"

    def check_ends(self) -> None:
        for reader, principal in self.readers.items():
            if reader not in self.wanted:
                continue
            last = {message["upload_id"]: message for message in reader.messages if message["type"] != "asked"}
            for upload in self.uploads:
                is_mine = reader in self.all_wanted and upload.owner == principal.owner and upload.state.is_open
                is_mine = is_mine and upload.watch_id not in self.unwanted[reader]
                if upload.watch_id not in self.wanted[reader] and not is_mine:
                    continue
                shown = last[upload.watch_id]
                if principal.may_see(upload.owner):
                    assert (shown["offset"], shown["state"]) == (upload.offset, upload.state)
                else:
                    assert shown["type"] == "error"


# Seconds that the machine loses at a turn of the loop, one of these each time.
LAGS = {"quiet": [0.0], "busy": [0, 0, 0, 0.003], "overloaded": [0, 0, 0, 0, 0.02, 0.1]}


@pytest.mark.parametrize("machine", LAGS)
def test_whatever_happens_in_whatever_order_everybody_ends_up_with_the_truth(machine: str) -> None:
    told = 0
    for seed in range(200, 300):
        lag = partial(random.Random(seed).choice, LAGS[machine])
        told += run_virtually(_turmoil(seed), lag)
    assert told > 5000


async def _turmoil(seed: int) -> int:
    """How many messages there were."""
    turmoil = Turmoil(seed)
    await turmoil.run()
    turmoil.check_stories()
    turmoil.check_ends()
    assert turmoil.progress._hub._channels == {}
    return sum(len(reader.messages) for reader in turmoil.readers)


class TestPictures:
    async def test_what_becomes_of_a_picture_follows_its_uploads_end(self, house: House) -> None:
        upload, readers = await house.begin(ALICE, watch_id="chosen"), [Reader(), Reader(), Reader()]
        await house.progress.subscribe(ALICE, readers[0], ["chosen"])
        await house.progress.subscribe(ALICE, readers[1], mine=True)
        await house.progress.subscribe(ADMIN, readers[2], ["chosen"])
        stranger = Reader()
        await house.progress.subscribe(BOB, stranger, ["chosen"], mine=True)
        house.receive(upload, 1000)
        house.end(upload)
        await house.draw(upload)
        await settle()
        for reader in readers:
            assert reader.types[-3:] == ["upload.completed", "image.processing", "image.done"]
            numbers = [message["sequence"] for message in reader.messages]
            assert numbers == sorted(numbers)
        assert set(stranger.types) <= {"error"}
        named = ["type", "sequence", "time", "upload_id", "filename", "image_id", "status", "event_id"]
        assert list(readers[0].last) == named
        assert len({reader.last["event_id"] for reader in readers}) == 1
        assert (readers[0].last["upload_id"], readers[0].last["image_id"]) == ("chosen", upload.id)
        assert (readers[0].last["filename"], readers[0].last["status"]) == ("holiday.mov", "DONE")

    async def test_why_one_failed_is_told(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, [upload.id])
        house.end(upload)
        await house.draw(upload, error="it breaks off")
        await settle()
        assert (reader.last["type"], reader.last["error"]) == ("image.failed", "it breaks off")

    async def test_who_comes_later_is_shown_what_became_of_it(self, house: House) -> None:
        upload, plain = await house.begin(ALICE), await house.begin(ALICE)
        for each in (upload, plain):
            house.end(each)
        await house.draw(upload, error="it breaks off")
        for _ in range(2):  # read, then known
            reader = Reader()
            await house.progress.subscribe(ALICE, reader, [upload.id, plain.id])
            shown = {message["upload_id"]: message.get("image") for message in reader.messages}
            assert shown == {
                upload.id: {"image_id": upload.id, "status": "ERROR", "error": "it breaks off"},
                plain.id: None,
            }

    async def test_one_that_is_drawn_during_the_read_is_not_lost(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        house.end(upload)
        house.gate = asyncio.Event()
        subscribing = asyncio.create_task(house.progress.subscribe(ALICE, reader, [upload.id]))
        await settle()
        await house.draw(upload)  # what was read knows of no picture
        house.gate.set()
        await subscribing
        await settle()
        assert [message["image"]["status"] for message in reader.messages] == ["DONE"]

    async def test_who_comes_back_is_told_what_is_new_and_nothing_else(self, house: House) -> None:
        upload, first = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        house.end(upload)
        await settle()
        completed = first.last["sequence"]
        house.progress.leave(first)
        await house.draw(upload)
        second = Reader()
        await house.progress.subscribe(ALICE, second, [upload.id], after=completed)
        assert second.last["image"]["status"] == "DONE"
        third = Reader()
        await house.progress.subscribe(ALICE, third, [upload.id], after=second.last["sequence"])
        assert third.messages == []

    async def test_of_pictures_that_are_over_nothing_is_kept_for_those_who_watch_all(self, house: House) -> None:
        reader = Reader()
        await house.progress.subscribe(ALICE, reader, mine=True)
        for _ in range(20):
            upload = await house.begin(ALICE)
            house.end(upload)
            await house.draw(upload)
        await settle()
        assert reader.types.count("image.done") == 20
        assert house.progress._hub._channels == {}

    async def test_an_unwanted_upload_has_no_pictures(self, house: House) -> None:
        upload, reader = await house.begin(ALICE), Reader()
        await house.progress.subscribe(ALICE, reader, mine=True)
        house.progress.unsubscribe(reader, [upload.id])
        house.end(upload)
        await house.draw(upload)
        await settle()
        assert reader.types == ["upload.snapshot"]
