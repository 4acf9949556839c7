"""What every feed promises (ports/feed.py)."""

from collections.abc import Callable

from domain.events import EventType
from tests.contract.suites.buses import Bus, BusSuite, Ear
from tests.support.builders import an_event, an_upload


class FeedSuite(BusSuite):
    async def test_every_listener_hears_each_event_in_order(self, bus: Bus) -> None:
        ears = [Ear(), Ear()]
        for ear in ears:
            ear.listen_to(bus.feed)
        upload = an_upload()
        events = [an_event(upload, type_) for type_ in (EventType.CREATED, EventType.FAILED, EventType.COMPLETED)]
        for event in events:
            bus.notifier.publish(event)
        for ear in ears:
            assert await ear.hears(3) == events

    async def test_who_has_ended_hears_nothing_more(self, bus: Bus) -> None:
        ear, other = Ear(), Ear()
        end = ear.listen_to(bus.feed)
        other.listen_to(bus.feed)
        end()
        end()  # twice is no harm
        bus.notifier.publish(an_event(an_upload()))
        await other.hears(1)
        assert ear.events == []

    async def test_the_same_listener_twice_is_two(self, bus: Bus) -> None:
        ear = Ear()
        end = ear.listen_to(bus.feed)
        ear.listen_to(bus.feed)
        end()
        bus.notifier.publish(an_event(an_upload()))
        assert len(await ear.hears(1)) == 1

    async def test_a_listener_may_end_itself_while_it_is_told(self, bus: Bus) -> None:
        ends: list[Callable[[], None]] = []
        heard: list[object] = []

        def once(event: object) -> None:
            heard.append(event)
            ends[0]()

        ends.append(bus.feed.listen(once, lambda: None))
        ear = Ear()
        ear.listen_to(bus.feed)
        for _ in range(2):
            bus.notifier.publish(an_event(an_upload()))
        await ear.hears(2)
        assert len(heard) == 1
