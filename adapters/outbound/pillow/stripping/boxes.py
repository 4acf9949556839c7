"""HEIC, HEIF and AVIF: boxes (ISO/IEC 14496-12), with a table of items, some of which are metadata (ISO/IEC 23008-12).

Nothing is moved, for other items are found by their places: metadata is overwritten with zeros where it is, and no
longer called by its name.
"""

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

_METADATA = frozenset((b"Exif", b"mime", b"uri "))
_NOTHING = b"free"
# Said of a film or the file; the last two are Samsung's: the film of a motion photo, and what its camera notes.
_SAID = frozenset((b"uuid", b"udta", b"meta", b"mpvd", b"sefd"))
_TREES = frozenset((b"moov", b"trak"))
_IN_FILE, _IN_IDAT = 0, 1


class _Box(NamedTuple):
    name: bytes
    at: int
    """Where its name is."""
    start: int
    """Of what it holds."""
    end: int


def strip_boxes(data: memoryview, orientation: int, out: IO[bytes]) -> bool:  # noqa: ARG001  # a box says which
    work = memoryview(bytearray(data))
    brands = b""
    for box in _boxes(work, 0, len(work)):
        if box.name == b"ftyp":
            brands = bytes(work[box.start : box.end])
        elif box.name == b"meta":
            _strip_items(work, box)
        else:
            _strip_tree(work, box)
    out.write(work)
    return any(brands[at : at + 4] in (b"avis", b"hevc", b"msf1") for at in range(0, len(brands), 4))


def _strip_tree(work: memoryview, box: _Box) -> None:
    if box.name in _SAID:
        work[box.at : box.at + 4] = _NOTHING
        work[box.start : box.end] = bytes(box.end - box.start)
    elif box.name in _TREES:
        for inner in _boxes(work, box.start, box.end):
            _strip_tree(work, inner)


def _strip_items(work: memoryview, meta: _Box) -> None:
    inside = {box.name: box for box in _boxes(work, meta.start + 4, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    found = set()
    for at, number, name in _items(work, inside[b"iinf"]):
        if name in _METADATA:
            found.add(number)
            work[at : at + 4] = _NOTHING
    idat = inside.get(b"idat")
    for number, method, offset, length in _places(work, inside[b"iloc"]):
        if number not in found:
            continue
        if method not in (_IN_FILE, _IN_IDAT) or (method == _IN_IDAT and idat is None):
            raise ValueError("metadata is where it can't be reached")
        start = offset + (idat.start if method == _IN_IDAT and idat else 0)
        end = min(len(work), start + length) if length else len(work) if idat is None else idat.end
        work[start:end] = bytes(max(0, end - start))


def _boxes(data: memoryview, at: int, end: int) -> Iterator[_Box]:
    while at + 8 <= end:
        (size,) = struct.unpack_from(">I", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            start = at + 16
        size = size or end - at
        if at + size > end or start > at + size:
            raise ValueError("a box is larger than what it is in, or than itself")
        yield _Box(bytes(data[at + 4 : at + 8]), at + 4, start, at + size)
        at += size


def _items(data: memoryview, iinf: _Box) -> Iterator[tuple[int, int, bytes]]:
    """Where its type stands, its number, its type."""
    wide = data[iinf.start] > 0
    for infe in _boxes(data, iinf.start + (8 if wide else 6), iinf.end):
        version = data[infe.start]
        if version < 2:  # of before there were types
            continue
        number_bytes = 2 if version == 2 else 4
        number = int.from_bytes(data[infe.start + 4 : infe.start + 4 + number_bytes], "big")
        at = infe.start + 4 + number_bytes + 2
        yield at, number, bytes(data[at : at + 4])


def _places(data: memoryview, iloc: _Box) -> Iterator[tuple[int, int, int, int]]:
    """Of each stretch of each item: its number, where it is counted from, where it begins, how long it is."""
    reader = _Reader(data, iloc.start)
    version = reader.take(4) >> 24
    sizes = reader.take(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = version == 2
    for _ in range(reader.take(4 if wide else 2)):
        number = reader.take(4 if wide else 2)
        method = reader.take(2) & 15 if version else _IN_FILE
        reader.take(2)
        base = reader.take(base_bytes)
        for _ in range(reader.take(2)):
            if version:
                reader.take(index_bytes)
            offset = reader.take(offset_bytes)
            yield number, method, base + offset, reader.take(length_bytes)


class _Reader:
    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, count: int) -> int:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("it breaks off")
        self._at += count
        return int.from_bytes(found, "big")
