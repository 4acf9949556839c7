"""What may stay open, and what waits for a slow reader, whatever kind of connection it is."""

import asyncio

import pytest

from adapters.inbound.common.admission import Admission, Drain, StreamBudget
from adapters.inbound.common.backlog import Backlog
from domain.errors import TooManyStreams, Unavailable


def admission(drain: Drain | None = None, budget: StreamBudget | None = None) -> Admission[str]:
    return Admission(drain or Drain(), budget or StreamBudget())


def test_one_client_does_not_take_all_there_is_of_all_kinds_together() -> None:
    budget = StreamBudget(2, at_most=3)
    streams, sockets = admission(budget=budget), admission(budget=budget)
    streams.admit("a", "2001:db8::1")
    sockets.admit("b", "2001:db8::2")
    for kind in (streams, sockets):
        with pytest.raises(TooManyStreams):
            kind.admit("c", "2001:db8::3")
    streams.admit("d", "bob")
    with pytest.raises(Unavailable, match="streams"):
        sockets.admit("e", "carol")
    assert (len(streams), len(sockets)) == (2, 1)


def test_what_is_closed_makes_room_once() -> None:
    streams = admission(budget=StreamBudget(1))
    streams.admit("a", "alice")
    for _ in range(2):
        streams.forget("a")
    streams.forget("never there")
    streams.admit("b", "alice")
    with pytest.raises(TooManyStreams):
        streams.admit("c", "alice")


def test_nothing_is_admitted_once_the_drain_has_begun() -> None:
    drain = Drain()
    first, second = admission(drain), admission(drain)
    drain.begin()
    for streams in (first, second):
        with pytest.raises(Unavailable):
            streams.admit("a", "alice")


async def test_the_end_waits_for_all_that_is_open() -> None:
    streams = admission()
    ended: list[str] = []
    for name in ("a", "b"):
        streams.admit(name, "alice")
    ending = asyncio.create_task(streams.end_all(ended.append))
    await asyncio.sleep(0)
    assert ended == ["a", "b"]
    streams.forget("a")
    await asyncio.sleep(0)
    assert not ending.done()
    streams.forget("b")
    await asyncio.wait_for(ending, 1)


async def test_where_nothing_is_open_the_end_does_not_wait() -> None:
    await asyncio.wait_for(admission().end_all(pytest.fail), 0.1)


def test_of_one_key_only_the_newest_waits_and_in_its_new_place() -> None:
    backlog = Backlog(100)
    for key, text in (("x", b"x1"), ("y", b"y1"), ("x", b"x22")):
        assert backlog.put(key, text)
    assert backlog.size == 5
    assert backlog.take() == b"y1"
    assert (backlog.take_all(), backlog.size, bool(backlog)) == (b"x22", 0, False)


def test_what_is_on_its_way_counts_as_unread() -> None:
    backlog = Backlog(10)
    backlog.leaving = 6
    assert backlog.put("x", b"1234")
    assert not backlog.put("y", b"1")
    backlog.leaving = 0
    assert backlog.put("z", b"12345")
    backlog.clear()
    assert (backlog.size, bool(backlog)) == (0, False)
