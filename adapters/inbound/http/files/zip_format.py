"""A ZIP of files as they are (stored, not compressed), written from any byte on: APPNOTE.TXT 6.3.

Where everything lies follows from names and sizes alone: a file's CRC-32 stands behind its bytes and in the central
directory, so it need not be known before. What is larger than 32 bits tell is told as ZIP64 has it.
"""

import struct
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.byte_range import ByteRange

_LIMIT, _COUNT_LIMIT = 0xFFFF_FFFF, 0xFFFF
_FLAGS = 1 << 11 | 1 << 3  # names are UTF-8; CRC-32 and sizes follow the bytes
_PLAIN, _LARGE = 20, 45  # what it takes to read it, in tenths of a version of PKZIP
_UNIX = 3 << 8
_ORDINARY_FILE = 0o100644 << 16
_ZIP64, _TIME = 0x0001, 0x5455


@dataclass(frozen=True, slots=True)
class Member:
    """``name`` with the folders before it, as UTF-8."""

    name: bytes
    size: int
    modified: datetime


class Contents(Protocol):
    """What has the members' bytes; they are called by their numbers."""

    @abstractmethod
    def blocks(self, number: int, wanted: ByteRange) -> AsyncGenerator[bytes, None]: ...

    @abstractmethod
    async def crc32(self, number: int) -> int: ...


class ZipFormat:
    def __init__(self, members: Sequence[Member]) -> None:
        """At least one."""
        self._members = members
        self._starts: list[int] = []
        self._records: list[int] = []
        """Where they begin, in the central directory."""
        at = 0
        for member in members:
            self._starts.append(at)
            at += len(_head(member)) + member.size + len(_descriptor(member, 0))
        directory = at
        for member, start in zip(members, self._starts, strict=True):
            self._records.append(at)
            at += len(_record(member, start, 0))
        self._end_at = at
        self._end = _end(len(members), directory, at - directory)
        self.size = at + len(self._end)

    async def blocks(self, wanted: ByteRange, contents: Contents) -> AsyncGenerator[bytes, None]:
        """Of what lies before ``wanted`` nothing is read, but for a CRC-32 that is told and not known yet."""
        for number in self._numbers(self._starts, wanted):
            async with aclosing(self._of_member(number, wanted, contents)) as blocks:
                async for block in blocks:
                    yield block
        for number in self._numbers(self._records, wanted):
            at, member = self._records[number], self._members[number]
            if at + len(_record(member, self._starts[number], 0)) > wanted.start:
                record = _record(member, self._starts[number], await contents.crc32(number))
                yield _cut(record, at, wanted)
        yield _cut(self._end, self._end_at, wanted)

    def _numbers(self, starts: Sequence[int], wanted: ByteRange) -> range:
        """Of those that begin before ``wanted`` ends, from the last one that begins before it does."""
        return range(max(0, bisect_right(starts, wanted.start) - 1), bisect_left(starts, wanted.end))

    async def _of_member(self, number: int, wanted: ByteRange, contents: Contents) -> AsyncGenerator[bytes, None]:
        member, at = self._members[number], self._starts[number]
        head = _head(member)
        yield _cut(head, at, wanted)
        at += len(head)
        start, end = max(wanted.start - at, 0), min(wanted.end - at, member.size)
        if start < end:
            async with aclosing(contents.blocks(number, ByteRange(start, end))) as blocks:
                async for block in blocks:
                    yield block
        at += member.size
        size = len(_descriptor(member, 0))
        if at < wanted.end and at + size > wanted.start:
            yield _cut(_descriptor(member, await contents.crc32(number)), at, wanted)


def _cut(piece: bytes, at: int, wanted: ByteRange) -> bytes:
    """What of ``piece``, which lies at ``at``, is wanted."""
    return piece[max(wanted.start - at, 0) : max(wanted.end - at, 0)]


def _is_large(member: Member) -> bool:
    return member.size >= _LIMIT


def _head(member: Member) -> bytes:
    large = _is_large(member)
    # 4.3.9.2, 4.5.3: that the extra field is there says how wide the sizes behind the bytes are.
    extra = _time(member) + (struct.pack("<HHQQ", _ZIP64, 16, 0, 0) if large else b"")
    told = _LIMIT if large else 0
    version = _LARGE if large else _PLAIN
    fields = (b"PK\x03\x04", version, _FLAGS, 0, *_dos(member.modified), 0, told, told, len(member.name), len(extra))
    return struct.pack("<4s5H3L2H", *fields) + member.name + extra


def _descriptor(member: Member, crc32: int) -> bytes:
    layout = "<4sLQQ" if _is_large(member) else "<4sLLL"
    return struct.pack(layout, b"PK\x07\x08", crc32, member.size, member.size)


def _record(member: Member, start: int, crc32: int) -> bytes:
    """In the central directory."""
    wide = [member.size] * 2 * _is_large(member) + [start] * (start >= _LIMIT)
    extra = _time(member) + (struct.pack(f"<HH{len(wide)}Q", _ZIP64, 8 * len(wide), *wide) if wide else b"")
    size = min(member.size, _LIMIT)
    version = _LARGE if wide else _PLAIN
    fields = (b"PK\x01\x02", _UNIX | version, version, _FLAGS, 0, *_dos(member.modified), crc32, size, size)
    more = (len(member.name), len(extra), 0, 0, 0, _ORDINARY_FILE, min(start, _LIMIT))
    return struct.pack("<4s6H3L5H2L", *fields, *more) + member.name + extra


def _end(count: int, start: int, size: int) -> bytes:
    """Of an archive whose central directory is of ``size`` and begins at ``start``."""
    told = min(count, _COUNT_LIMIT)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, min(size, _LIMIT), min(start, _LIMIT), 0)
    if count < _COUNT_LIMIT and size < _LIMIT and start < _LIMIT:
        return end
    wide = (44, _UNIX | _LARGE, _LARGE, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    return struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *wide) + locator + end


def _time(member: Member) -> bytes:
    """In seconds since 1970, which the other one (in local time, of even seconds) can't tell."""
    return struct.pack("<HHBl", _TIME, 5, 1, max(0, min(int(member.modified.timestamp()), 0x7FFF_FFFF)))


def _dos(moment: datetime) -> tuple[int, int]:
    """Time and date."""
    year = max(0, min(moment.year - 1980, 127))
    return moment.hour << 11 | moment.minute << 5 | moment.second // 2, year << 9 | moment.month << 5 | moment.day
