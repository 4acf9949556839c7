"""What ``writer.py`` and ``process.py`` say to each other; apart, for the server needs nothing else of the process."""

import struct
from enum import IntEnum
from typing import NamedTuple

from domain.ids import UploadId

# The memory that both share has a seat for each chunk under way.
SEAT_BYTES = 256 * 1024
SEATS = 64
# Kind, seat, size, size of the rows behind the bytes, position, deadline on the monotonic clock, upload id; for a
# receipt, the lease's token and the CRC-64
ORDER = struct.Struct("=BIIIQd32s32sQ")
OUTCOME = struct.Struct("=IIQ")  # seat, Outcome; of a file that was recorded, the number of its first event


class Kind(IntEnum):
    CHUNK = 0
    FILE = 1
    """A small file that comes whole."""


class Note(NamedTuple):
    """What the receipt of a chunk has besides its place."""

    token: str
    """Of the lease that it stands under."""
    crc64: int


NO_NOTE = Note("", 0)


class Order(NamedTuple):
    kind: Kind
    upload_id: UploadId
    at: int
    data: bytes | memoryview
    note: Note = NO_NOTE
    rows: bytes = b""
    """Of a file, what is to be recorded of it; none: that is the server's to do."""


class Outcome(IntEnum):
    DONE = 0
    REFUSED = 1
    """Nothing of it counts; whoever wants it does it, or learns why it can't be done."""
    FAILED = 2
