"""The Range header: which bytes are meant, and what is no range (RFC 9110 §14)."""

import pytest

from adapters.inbound.http.files.ranges import parse_range
from domain.byte_range import ByteRange

HUGE = "123456789012345678901234"
WHOLE = (ByteRange(0, 100), 200)
NONE = (None, 416)


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("bytes=0-9", (ByteRange(0, 10), 206)),
        ("bytes=90-", (ByteRange(90, 100), 206)),
        ("bytes=-10", (ByteRange(90, 100), 206)),
        ("BYTES = 0 - 9 ", (ByteRange(0, 10), 206)),
        ("bytes=99-100", (ByteRange(99, 100), 206)),
        ("bytes=100-", NONE),
        ("bytes=-0", NONE),
        ("bytes=9-8", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=0-9,20-29", WHOLE),
        ("lines=0-9", WHOLE),
    ],
)
def test_one_range_is_read(field: str, meant: tuple[ByteRange | None, int]) -> None:
    assert parse_range(field, 100) == meant


@pytest.mark.parametrize("huge", [HUGE, "9" * 5000, "0" * 5000 + HUGE])
def test_a_position_is_of_any_size(huge: str) -> None:
    assert parse_range(f"bytes=0-{huge}", 100) == (ByteRange(0, 100), 206)
    assert parse_range(f"bytes=-{huge}", 100) == (ByteRange(0, 100), 206)
    assert parse_range(f"bytes={huge}-", 100) == parse_range(f"bytes={huge}-{huge}", 100) == NONE
    assert parse_range(f"bytes={huge}-0", 100) == WHOLE


def test_zeros_before_a_position_do_not_count() -> None:
    assert parse_range(f"bytes={'0' * 5000}-{'0' * 5000}9", 100) == (ByteRange(0, 10), 206)


@pytest.mark.parametrize("field", ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=-0", f"bytes={HUGE}-"])
def test_of_an_empty_file_any_range_is_the_whole(field: str) -> None:
    assert parse_range(field, 0) == (None, 200)
