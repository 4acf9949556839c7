"""What may stay open, and what waits for a slow reader, whatever kind of connection it is."""

import asyncio

import pytest

from adapters.inbound.common.admission import Admission, Drain
from adapters.inbound.common.backlog import Backlog
from domain.errors import TooManyRequests, Unavailable


def admission(drain: Drain | None = None, *, at_most: int = 3, per_client: int = 2) -> Admission[str]:
    return Admission("streams", drain or Drain(), at_most=at_most, per_client=per_client)


def test_one_client_does_not_take_all_there_is() -> None:
    streams = admission()
    streams.admit("a", "alice")
    streams.admit("b", "alice")
    with pytest.raises(TooManyRequests, match="streams"):
        streams.admit("c", "alice")
    streams.admit("d", "bob")
    with pytest.raises(Unavailable, match="streams"):
        streams.admit("e", "carol")
    assert len(streams) == 3


def test_what_is_closed_makes_room_once() -> None:
    streams = admission(per_client=1)
    streams.admit("a", "alice")
    for _ in range(2):
        streams.forget("a")
    streams.forget("never there")
    streams.admit("b", "alice")
    with pytest.raises(TooManyRequests):
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
