"""The Range header: the one edge where byte ranges are inclusive."""

import re

from domain.byte_range import ByteRange

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*", re.ASCII | re.IGNORECASE)
_MOST_DIGITS = 1000  # Python reads 4,300 at most; whoever counts so far is beyond every file


def parse_range(field: str, size: int) -> tuple[ByteRange | None, int]:
    """The bytes that ``field`` asks of ``size``, and the status: 206, 416 if there are none, 200 for the whole.

    RFC 9110 §14.2: a server may ignore a Range header; we do for several ranges at once, for other units, and of what
    is empty: a player or a client that goes on where it was has all of that, and would take a 416 for a failure.
    """
    whole = ByteRange(0, size) if size else None
    found = _ONE_RANGE.fullmatch(field.strip())
    if not size or found is None or found[1] == found[2] == "":
        return whole, 200
    if found[1] == "":  # the last so many bytes
        count = min(_number(found[2]), size)
        return (ByteRange(size - count, size), 206) if count else (None, 416)
    start, end = _number(found[1]), _number(found[2]) + 1 if found[2] else size
    if end <= start and found[2]:
        return whole, 200  # not a range at all: ignored
    if start >= size:
        return None, 416
    return ByteRange(start, min(end, size)), 206


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:_MOST_DIGITS] or "0")
