"""What every keeper of notifications promises (ports/notifications.py)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.access import Principal
from domain.events import Event, EventType
from domain.notification import Notification
from ports.progress_notifier import ProgressNotifier
from tests.contract.suites.stores import Process, Store, StoreSuite
from tests.support.builders import ALICE, BOB, NOW, an_event, an_instruction_event, an_upload


class DeafNotifier(ProgressNotifier):
    def publish(self, event: Event) -> None:
        pass


async def announce(process: Process, *events: Event) -> None:
    async with process.unit_of_work() as work:
        for event in events:
            work.announce(event)
        await work.commit()


async def after(process: Process, number: int = 0, *, owner: Principal = ALICE, limit: int = 100) -> list[Notification]:
    async with process.unit_of_work() as work:
        return list(await work.notifications.after(owner.owner, number, limit=limit))


async def newest(process: Process) -> int:
    async with process.unit_of_work() as work:
        number, _ = await work.notifications.newest(None) or (0, "")
        return number


async def number_of(process: Process, event: Event, *, owner: Principal = ALICE) -> int | None:
    async with process.unit_of_work() as work:
        return await work.notifications.number_of(owner.owner, event.id)


def events_of(notifications: Sequence[Notification]) -> list[Event]:
    return [one.event for one in notifications]


class NotificationsSuite(StoreSuite):
    @pytest.fixture
    def process(self, store: Store) -> Process:
        return store.process(DeafNotifier())

    async def test_what_was_announced_is_kept_in_order_for_its_owner(self, process: Process) -> None:
        events = [an_instruction_event(time=NOW - timedelta(seconds=number)) for number in range(5)]
        await announce(process, *events[:3])
        await announce(process, an_instruction_event(owner=BOB), *events[3:])
        found = await after(process)
        assert events_of(found) == events
        assert await after(process, found[1].number, limit=2) == found[2:4]
        assert await number_of(process, events[1]) == found[1].number
        assert await newest(process) == found[-1].number
        assert await after(process, found[-1].number) == []

    async def test_another_ones_is_not_found(self, process: Process) -> None:
        event = an_instruction_event()
        await announce(process, event)
        assert await after(process, owner=BOB) == []
        assert await number_of(process, event, owner=BOB) is None

    async def test_of_nobody_in_particular_it_is_everybodys(self, process: Process) -> None:
        events = [an_instruction_event(owner=owner) for owner in (ALICE, BOB)]
        await announce(process, *events)
        async with process.unit_of_work() as work:
            found = await work.notifications.after(None, 0, limit=10)
            assert events_of(found) == events
            assert await work.notifications.number_of(None, events[1].id) == found[1].number

    async def test_the_newest_is_the_owners(self, process: Process) -> None:
        mine = [an_instruction_event() for _ in range(2)]
        others = an_instruction_event(owner=BOB)
        async with process.unit_of_work() as work:
            assert await work.notifications.newest(ALICE.owner) is None
        await announce(process, *mine, others)
        async with process.unit_of_work() as work:
            number, event_id = await work.notifications.newest(ALICE.owner) or (0, "")
            assert (event_id, await work.notifications.number_of(None, event_id)) == (mine[1].id, number)
            assert await work.notifications.newest(None) == (number + 1, others.id)

    async def test_what_notifies_nobody_is_not_kept(self, process: Process) -> None:
        await announce(process, an_event(an_upload(owner=ALICE), EventType.COMPLETED))
        assert (await after(process), await newest(process)) == ([], 0)

    async def test_what_is_not_committed_notifies_nobody(self, process: Process) -> None:
        async with process.unit_of_work() as work:
            work.announce(an_instruction_event())
        assert await newest(process) == 0
        await announce(process, an_instruction_event())
        async with process.unit_of_work() as work:
            assert await work.notifications.forget(before=NOW + timedelta(days=1), limit=10) == 1
        assert await newest(process) == 1

    async def test_of_an_event_that_is_kept_twice_the_first_number_counts(self, process: Process) -> None:
        event = an_instruction_event()
        await announce(process, event, event)
        assert await number_of(process, event) == await newest(process) - 1

    async def test_old_ones_are_forgotten_and_no_number_is_given_again(self, process: Process) -> None:
        events = [an_instruction_event(time=NOW + timedelta(hours=number)) for number in range(4)]
        await announce(process, *events)
        last = await newest(process)
        for limit, count in ((2, 2), (2, 1), (2, 0)):
            async with process.unit_of_work() as work:
                assert await work.notifications.forget(before=events[3].time, limit=limit) == count
                await work.commit()
        assert events_of(await after(process)) == events[3:]
        async with process.unit_of_work() as work:
            await work.notifications.forget(before=NOW + timedelta(days=1), limit=10)
            await work.commit()
        await announce(process, an_instruction_event())
        assert await newest(process) > last

    async def test_who_reads_on_misses_none_that_many_processes_commit(self, store: Store) -> None:
        """A number that is seen late would be passed by."""
        reader, writers = store.process(), [store.process(DeafNotifier()) for _ in range(3)]
        seen: list[Notification] = []

        async def write(process: Process) -> None:
            for _ in range(15):
                await announce(process, an_instruction_event())

        writing = asyncio.gather(*(write(process) for process in writers))
        while not writing.done() or len(seen) < 45:
            found = await after(reader, seen[-1].number if seen else 0)
            seen += found
            if writing.done() and not found:
                break
            await asyncio.sleep(0)
        await writing
        assert len(seen) == len({one.number for one in seen}) == 45
