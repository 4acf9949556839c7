"""What ``pool.py`` and ``child.py`` say to each other; apart, for the server needs nothing else of the child.

An order is one message, with the picture's descriptor. Its answer is believed no more than a client: numbers and
bytes, all bounded, and nothing that could name a class (a decoder with a hole may be somebody else's by then).
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

MOST_BOXES = 8
MOST_DRAWN_BYTES = 16 * 1024 * 1024
# Kind, size of the file, boxes (0: none)
ORDER = struct.Struct(f"=BQ{MOST_BOXES}H")
# Outcome, format, width, height, dHash, how many drawings follow, resident KiB
ANSWER = struct.Struct("=B8sIIQBI")
DRAWING = struct.Struct("=HHHI")  # box, width, height, size of the JPEG that follows


class Kind(IntEnum):
    LOOK = 0
    CHECK = 1
    DRAW = 2


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


def packed_order(kind: Kind, size: int, boxes: Sequence[int]) -> bytes:
    return ORDER.pack(kind, size, *boxes, *[0] * (MOST_BOXES - len(boxes)))
