"""What ``writer.py`` and ``process.py`` say to each other; apart, for the server needs nothing else of the process."""

import struct
from enum import IntEnum
from typing import NamedTuple

# The memory that both share has a seat for each chunk under way.
SEAT_BYTES = 256 * 1024
SEATS = 64
# Seat, size, position, deadline on the monotonic clock, upload id; for a receipt, the lease's token and the CRC-64
ORDER = struct.Struct("=IIQd32s32sQ")
OUTCOME = struct.Struct("=II")  # seat, Outcome


class Note(NamedTuple):
    """What the receipt of a chunk has besides its place."""

    token: str
    """Of the lease that it stands under."""
    crc64: int


NO_NOTE = Note("", 0)


class Outcome(IntEnum):
    DONE = 0
    REFUSED = 1
    """Nothing of it counts; whoever wants it does it, or learns why it can't be done."""
    FAILED = 2
