"""What ``pool.py`` and ``child.py`` say to each other; apart, for the server needs nothing else of the child.

An order is one message, with the picture's descriptor. Its answer is believed no more than a client: numbers and
bytes, all bounded, and nothing that could name a class (a decoder with a hole may be somebody else's by then). What an
edit makes may be large: it comes before the answer, a block at a time, and one of no bytes ends it.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

MOST_BOXES = 8
MOST_DRAWN_BYTES = 16 * 1024 * 1024
MOST_EDITED_BYTES = 1024**3
BLOCK_BYTES = 256 * 1024
# Kind, size of the file, boxes (0: none), an edit's way, format, quality, width, height, covers, enlarges
ORDER = struct.Struct(f"=BQ{MOST_BOXES}HB8sBHHBB")
BLOCK = struct.Struct("=I")  # size of what follows
# Outcome, format, width, height, dHash, how many drawings follow, resident KiB
ANSWER = struct.Struct("=B8sIIQBI")
DRAWING = struct.Struct("=HHHI")  # box, width, height, size of the JPEG that follows


class Kind(IntEnum):
    LOOK = 0
    CHECK = 1
    DRAW = 2
    EDIT = 3


class Way(IntEnum):
    """Of an edit."""

    DRAW = 0
    COMPRESS = 1
    """Or leave it as it was, if that is smaller."""
    STRIP = 2
    """The pixels stay as they are."""


class Outcome(IntEnum):
    DONE = 0
    UNKNOWN = 1
    """Of no format that we take."""
    TOO_MANY_PIXELS = 2
    DAMAGED = 3
    GONE = 4
    """The file is shorter than the blob said."""
    UNREADABLE = 5
    """The medium failed."""
    NO_MEMORY = 6
    """More than a child may have."""
    TOO_LARGE_A_RESULT = 7
    """More pixels than we take, or than the format can hold."""


class Drawing(NamedTuple):
    box: int
    width: int
    height: int
    data: bytes


class Answer(NamedTuple):
    outcome: Outcome
    format: str = ""
    width: int = 0
    height: int = 0
    dhash: int = 0
    drawings: tuple[Drawing, ...] = ()
    resident_kib: int = 0


class Edit(NamedTuple):
    """What is to be made of a picture. ``format`` empty: what it is. ``width`` or ``height`` 0: as the other one says;
    both: as it is. ``covers``: fills both, and is cut for it."""

    way: Way = Way.DRAW
    format: str = ""
    quality: int = 0
    width: int = 0
    height: int = 0
    covers: bool = False
    enlarges: bool = False


class Order(NamedTuple):
    kind: Kind
    size: int
    """Of the picture's file."""
    boxes: tuple[int, ...] = ()
    edit: Edit = Edit()

    def packed(self) -> bytes:
        boxes = [*self.boxes, *[0] * (MOST_BOXES - len(self.boxes))]
        way, format_, *rest = self.edit
        return ORDER.pack(self.kind, self.size, *boxes, way, format_.encode(), *rest)

    @staticmethod
    def unpacked(data: bytes) -> "Order":
        kind, size, *rest = ORDER.unpack(data)
        boxes, (way, format_, quality, width, height, covers, enlarges) = rest[:MOST_BOXES], rest[MOST_BOXES:]
        name = format_.rstrip(b"\0").decode()
        edit = Edit(Way(way), name, quality, width, height, bool(covers), bool(enlarges))
        return Order(Kind(kind), size, tuple(box for box in boxes if box), edit)
