from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.checksum import crc64nvme
from domain.errors import InvalidByteRange

ranges = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: ByteRange(pair[0], sum(pair)))
DATA = bytes(range(256))


def extent(range_: ByteRange) -> Extent:
    return Extent(range_, crc64nvme(DATA[range_.start : range_.end]))


def covered(received: ReceivedRanges) -> set[int]:
    return {byte for one in received for byte in range(one.range.start, one.range.end)}


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (5, 4), (-1, 3)])
def test_a_byte_range_is_never_empty_nor_before_the_start(start: int, end: int) -> None:
    with pytest.raises(InvalidByteRange):
        ByteRange(start, end)


@given(st.lists(ranges, max_size=30))
def test_coverage_is_the_union_whatever_the_order_and_overlap(added: list[ByteRange]) -> None:
    received = ReceivedRanges()
    for one in added:
        received.add(extent(one))
    union = {byte for one in added for byte in range(one.start, one.end)}
    assert covered(received) == union
    assert received.size == len(union)
    assert covered(ReceivedRanges([extent(one) for one in reversed(added)])) == union


@given(st.lists(ranges, max_size=30))
def test_stretches_are_sorted_and_never_touch(added: list[ByteRange]) -> None:
    kept = [one.range for one in ReceivedRanges([extent(one) for one in added])]
    assert all(left.end < right.start for left, right in pairwise(kept))


@given(st.lists(ranges, max_size=20), st.integers(0, 100))
def test_gaps_and_coverage_make_the_whole(added: list[ByteRange], length: int) -> None:
    received = ReceivedRanges([extent(one) for one in added])
    missing = {byte for gap in received.gaps(length) for byte in range(gap.start, gap.end)}
    assert missing == set(range(length)) - covered(received)
    assert all(not received.covers(gap) for gap in received.gaps(length))


@given(st.lists(ranges, max_size=20))
def test_the_offset_is_the_unbroken_prefix(added: list[ByteRange]) -> None:
    received = ReceivedRanges([extent(one) for one in added])
    bytes_ = covered(received)
    assert received.prefix == next(byte for byte in range(1000) if byte not in bytes_)


@given(st.lists(ranges, max_size=20))
def test_a_known_checksum_is_the_right_one(added: list[ByteRange]) -> None:
    for one in ReceivedRanges([extent(one) for one in added]):
        assert one.crc64 in (None, crc64nvme(DATA[one.range.start : one.range.end]))


@given(st.permutations(range(8)))
def test_chunks_in_any_order_give_the_checksum_of_the_whole(order: list[int]) -> None:
    received = ReceivedRanges()
    for index in order:
        received.add(extent(ByteRange(index * 30, index * 30 + 30)))
    assert received.crc64() == crc64nvme(DATA[:240])


def test_the_same_chunk_again_changes_nothing() -> None:
    received = ReceivedRanges([extent(ByteRange(0, 10))])
    received.add(extent(ByteRange(2, 5)))
    assert received.crc64() == crc64nvme(DATA[:10])
    assert received.prefix == 10


def test_without_bytes_the_checksum_is_that_of_nothing() -> None:
    assert ReceivedRanges().crc64() == crc64nvme(b"")
    assert ReceivedRanges([extent(ByteRange(5, 6))]).crc64() is None
