"""EXIF that says which way is up, and nothing else."""

import struct

UPRIGHT = 1
_ORIENTATION, _SHORT = 0x0112, 3


def exif_of(orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", _ORIENTATION, _SHORT, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
