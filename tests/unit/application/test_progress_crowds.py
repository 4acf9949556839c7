"""Many who begin to watch at once: what is read for them, how often, and what each of them is shown."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import pytest

from application.progress.readings import SharedReads
from domain.access import Principal
from domain.errors import RepositoryUnavailable
from domain.events import EventType
from domain.ids import OwnerId
from tests.support.builders import ADMIN, ALICE, BOB, an_id
from tests.support.progress import House
from tests.unit.application.test_progress import Reader, settle


class Library:
    """Finds the length of each word, when it is let; counts how often it was asked."""

    def __init__(self, *, at_most: int = 10) -> None:
        self.asked: list[set[str]] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.reads = SharedReads(self._read, at_most=at_most)

    async def _read(self, words: Collection[str]) -> Mapping[str, int]:
        self.asked.append(set(words))
        await self.gate.wait()
        if self.is_away:
            raise RepositoryUnavailable("away")
        return {word: len(word) for word in words if word != "unknown"}


class TestSharedReads:
    async def test_all_who_ask_at_once_share_one_read(self) -> None:
        library = Library()
        library.gate.set()
        found = await asyncio.gather(*(library.reads.find(["a", "bb", "unknown"]) for _ in range(100)))
        assert library.asked == [{"a", "bb", "unknown"}]
        assert all(each == {"a": 1, "bb": 2} for each in found)

    async def test_who_asks_during_a_read_goes_with_the_next_for_that_one_may_be_older(self) -> None:
        library = Library()
        first = asyncio.create_task(library.reads.find(["a"]))
        await settle(0)
        later = [asyncio.create_task(library.reads.find(["a", word])) for word in ("bb", "ccc")]
        await settle(0)
        library.gate.set()
        assert await first == {"a": 1}
        assert [(await each)["a"] for each in later] == [1, 1]
        assert library.asked == [{"a"}, {"a", "bb", "ccc"}]

    async def test_no_read_is_larger_than_it_may_be(self) -> None:
        library = Library(at_most=3)
        library.gate.set()
        found = await asyncio.gather(*(library.reads.find([f"{number}", "shared"]) for number in range(5)))
        assert [each[f"{number}"] for number, each in enumerate(found)] == [1] * 5
        assert [len(words) for words in library.asked] == [3, 3, 2]

    async def test_nothing_is_read_for_nobody(self) -> None:
        library = Library()
        assert await library.reads.find([]) == {}
        assert library.asked == []

    async def test_who_stops_waiting_harms_nobody(self) -> None:
        library = Library()
        waiting = [asyncio.create_task(library.reads.find(["a"])) for _ in range(3)]
        await settle(0)
        waiting[0].cancel()
        library.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [{"a": 1}] * 2

    async def test_an_error_is_told_to_all_who_shared_it_and_to_nobody_after(self) -> None:
        library = Library()
        library.is_away = True
        library.gate.set()
        answers = await asyncio.gather(*(library.reads.find(["a"]) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [RepositoryUnavailable] * 3
        library.is_away = False
        assert await library.reads.find(["a"]) == {"a": 1}

    async def test_at_the_end_nobody_waits_any_more(self) -> None:
        library = Library()
        waiting = asyncio.create_task(library.reads.find(["a"]))
        await settle(0)
        await library.reads.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.progress.close()


async def crowd(house: House, ids: Sequence[str], *principals: Principal, mine: bool = False) -> list[Reader]:
    """Readers that begin to watch ``ids`` in the same moment, a hundred of each principal."""
    readers = [Reader() for _ in range(100 * len(principals))]
    await asyncio.gather(
        *(
            house.progress.subscribe(principals[number % len(principals)], reader, ids, mine=mine)
            for number, reader in enumerate(readers)
        )
    )
    return readers


class TestCrowds:
    async def test_a_crowd_costs_one_read_and_one_text_for_each_upload(self, house: House) -> None:
        uploads = [await house.begin(ALICE) for _ in range(20)]
        house.encoded.clear()
        readers = await crowd(house, [upload.id for upload in uploads], ALICE)
        assert house.reads == 1
        assert house.encoded == ["upload.snapshot"] * 20
        ids = [upload.id for upload in uploads]
        assert all([message["upload_id"] for message in reader.messages] == ids for reader in readers)

    async def test_what_a_live_channel_shows_is_not_read_again(self, house: House) -> None:
        upload, first, second, foreign = await house.begin(ALICE), Reader(), Reader(), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        house.receive(upload, 500)
        house.reads = 0
        await house.progress.subscribe(ALICE, second, [upload.id])
        assert (house.reads, second.offsets) == (0, [500])
        await house.progress.subscribe(BOB, foreign, [upload.id])
        assert foreign.types == ["error"]
        house.receive(upload, 700)
        await settle(0.2)
        assert (first.offsets, second.offsets, foreign.types) == ([0, 500, 700], [500, 700], ["error"])

    async def test_what_nobody_watches_any_more_is_read_again(self, house: House) -> None:
        upload, first, second = await house.begin(ALICE), Reader(), Reader()
        await house.progress.subscribe(ALICE, first, [upload.id])
        house.progress.leave(first)
        house.receive(upload, 500)
        await house.progress.subscribe(ALICE, second, [upload.id])
        assert second.offsets == [500]

    async def test_each_is_shown_what_they_may_see_and_the_same_words_for_the_rest(self, house: House) -> None:
        alices, bobs, unknown = await house.begin(ALICE), await house.begin(BOB), an_id()
        ids = [alices.id, bobs.id, unknown]
        readers = await crowd(house, ids, ALICE, BOB, ADMIN)
        assert house.reads == 1
        sees = {0: {alices.id}, 1: {bobs.id}, 2: {alices.id, bobs.id}}
        for number, reader in enumerate(readers):
            shown = {message["upload_id"] for message in reader.messages if message["type"] == "upload.snapshot"}
            refused = [message for message in reader.messages if message["type"] == "error"]
            assert shown == sees[number % 3]
            expected = [{"type": "error", "code": "not_found", "upload_id": id_} for id_ in ids if id_ not in shown]
            assert refused == expected

    async def test_one_id_in_two_hands(self, house: House) -> None:
        watch_id = an_id()
        await house.begin(ALICE, watch_id=watch_id, length=10)
        await house.begin(BOB, watch_id=watch_id, length=20)
        readers = await crowd(house, [watch_id], ALICE, BOB, ADMIN)
        assert [reader.last["length"] for reader in readers] == [10, 20, 20] * 100
        await house.begin(ALICE, watch_id=watch_id, length=30)
        late = [Reader() for _ in range(3)]
        for principal, reader in zip((ALICE, BOB, ADMIN), late, strict=True):
            await house.progress.subscribe(principal, reader, [watch_id])
        assert [reader.last["length"] for reader in late] == [30, 20, 30]
        await settle()
        assert [reader.last["length"] for reader in readers] == [30, 20, 30] * 100

    async def test_other_administrators_make_no_reads_of_their_own(self, house: House) -> None:
        upload = await house.begin(ALICE)
        admins = [Principal(OwnerId(f"user:{number}"), is_admin=True) for number in range(10)]
        readers = await crowd(house, [upload.id], *admins)
        await house.progress.subscribe(ADMIN, Reader(), [upload.id])
        assert house.reads == 1
        assert {reader.last["upload_id"] for reader in readers} == {upload.id}

    async def test_finished_uploads_are_shown_to_the_first_and_to_the_last(self, house: House) -> None:
        done, going = await house.begin(ALICE), await house.begin(ALICE)
        house.receive(done, 1000)
        house.end(done)
        readers = await crowd(house, [done.id, going.id], ALICE)
        house.receive(going, 1000)
        house.end(going)
        readers += await crowd(house, [done.id, going.id], ALICE)
        await settle()
        for reader in readers:
            last = {message["upload_id"]: message["state"] for message in reader.messages}
            assert last == {done.id: "COMPLETED", going.id: "COMPLETED"}

    async def test_all_of_ones_own_are_read_once_for_all_who_ask(self, house: House) -> None:
        uploads = [await house.begin(ALICE) for _ in range(3)]
        await house.begin(BOB)
        readers = await crowd(house, [], ALICE, mine=True)
        assert house.reads == 1
        wanted = {upload.id for upload in uploads}
        assert all({message["upload_id"] for message in reader.messages} == wanted for reader in readers)
        new = await house.begin(ALICE)
        await settle()
        assert {reader.last["upload_id"] for reader in readers} == {new.id}

    async def test_what_moves_during_the_read_reaches_all_in_order(self, house: House) -> None:
        uploads, gone = [await house.begin(ALICE) for _ in range(5)], Reader()
        ids = [upload.id for upload in uploads]
        house.gate = asyncio.Event()
        leaving = asyncio.create_task(house.progress.subscribe(ALICE, gone, ids))
        await settle(0)
        crowding = asyncio.create_task(crowd(house, ids, ALICE))
        await settle()
        house.progress.leave(gone)
        house.receive(uploads[0], 300)
        house.end(uploads[1], EventType.ABORTED)
        house.gate.set()
        readers = await crowding
        await leaving
        house.receive(uploads[0], 900)
        await settle(0.2)
        assert gone.messages == []
        for reader in readers:
            last = {message["upload_id"]: (message["offset"], message["state"]) for message in reader.messages}
            assert (last[ids[0]], last[ids[1]]) == ((900, "RECEIVING"), (0, "ABORTED"))
            numbers = [message["sequence"] for message in reader.messages]
            assert numbers == sorted(set(numbers))

    async def test_numbers_grow_for_who_asks_twice_and_for_who_comes_to_old_and_new(self, house: House) -> None:
        old, new, twice, late = await house.begin(ALICE), await house.begin(ALICE), Reader(), Reader()
        await house.progress.subscribe(ALICE, twice, [new.id])
        await house.progress.subscribe(ALICE, twice, [old.id])
        house.receive(new, 500)
        await settle()
        await house.progress.subscribe(ALICE, twice, [old.id, new.id])
        await house.progress.subscribe(ALICE, late, [new.id, old.id])
        house.receive(new, 600)
        await settle(0.2)
        for reader in (twice, late):
            numbers = [message["sequence"] for message in reader.messages]
            assert numbers == sorted(set(numbers))
        assert late.types == ["upload.snapshot", "upload.snapshot", "upload.progress"]
        assert len(twice.messages) == 6

    async def test_who_was_cut_off_in_the_middle_is_shown_the_rest(self, house: House) -> None:
        """One number is all that it says on coming back: nothing of a smaller one may have come after it."""
        first, second = await house.begin(ALICE), await house.begin(ALICE)
        watching, cut, again = Reader(), Reader(), Reader()
        await house.progress.subscribe(ALICE, watching, [second.id])
        await house.progress.subscribe(ALICE, cut, [first.id, second.id])
        told_by_then = cut.messages[0]
        house.progress.leave(cut)
        await house.progress.subscribe(ALICE, again, [first.id, second.id], after=told_by_then["sequence"])
        assert {message["upload_id"] for message in (told_by_then, *again.messages)} == {first.id, second.id}

    async def test_a_database_that_is_away_is_told_to_all_and_asked_again_later(self, house: House) -> None:
        upload = await house.begin(ALICE)
        house.is_away = True
        readers = [Reader() for _ in range(10)]
        wishing = (house.progress.subscribe(ALICE, reader, [upload.id]) for reader in readers)
        answers = await asyncio.gather(*wishing, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RepositoryUnavailable] * 10
        house.is_away = False
        await house.progress.subscribe(ALICE, readers[0], [upload.id])
        assert readers[0].offsets == [0]
