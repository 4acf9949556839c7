"""What ``writer.py`` and its process say to each other. Apart, for the server needs nothing else of the process."""

import struct
from enum import IntEnum

SLOT_BYTES = 256 * 1024
SLOTS = 64
ORDER = struct.Struct("=IIQd32s")  # slot, size, position, deadline on the monotonic clock, upload id
OUTCOME = struct.Struct("=II")  # slot, Outcome


class Outcome(IntEnum):
    DONE = 0
    REFUSED = 1
    """Nothing of it counts; whoever wants it does it, or learns why it can't be done."""
    FAILED = 2
