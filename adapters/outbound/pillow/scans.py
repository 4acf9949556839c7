"""Refuses a JPEG that is drawn over and over: each scan goes through all of its pixels once more, in a few bytes."""

import re
import struct
from typing import IO

_HEAD_BYTES = 256 * 1024
_MOST_SCANS = 64  # programs write 3 to 15
_EOI, _SOS = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""One that a segment begins with: not a 0xFF that is a value (0 behind it), nor one that has no length, nor filling."""


def check_scans(file: IO[bytes]) -> None:
    """Of a file that stands at its beginning, and does so again after this.

    Raises:
        ValueError: it has too many.
    """
    try:
        head = file.read(_HEAD_BYTES)
        if not _is_over(head):
            _is_over(head + file.read())
    finally:
        file.seek(0)


def _is_over(data: bytes) -> bool:
    """Whether all scans there are have been seen.

    Raises:
        ValueError: too many were.
    """
    at, scans, components = 2, 0, 0
    while at + 10 <= len(data) and (found := MARKER.search(data, at)) is not None:
        at = found.start()
        marker = data[at + 1]
        if marker == _EOI:
            return True
        if at + 10 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES:
            # One that is no progressive one takes as many scans as there are components, or one for all.
            components = 0 if marker in _PROGRESSIVE else data[at + 9]
        if marker == _SOS:
            scans += 1
            if scans == 1 and data[at + 4] == components:
                return True  # all there is: what follows is not looked at
            if scans > _MOST_SCANS:
                raise ValueError("too many scans")
        at += 2 + length
    return False
