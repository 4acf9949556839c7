"""PNG: chunks, each with its name (PNG 3, §5); pixels, frames and colours are kept."""

import struct
import zlib
from typing import IO

from adapters.outbound.pillow.stripping.orientation import UPRIGHT, exif_of

_SIGNATURE_BYTES = 8
_PIXELS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"))
_COLOURS = frozenset((b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"pHYs"))


def strip_png(data: memoryview, orientation: int, out: IO[bytes]) -> bool:
    out.write(data[:_SIGNATURE_BYTES])
    at, name, is_animated, is_told = _SIGNATURE_BYTES, b"", False, orientation == UPRIGHT
    while at < len(data) and name != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        name = bytes(data[at + 4 : at + 8])
        is_animated |= name == b"acTL"
        if name == b"IDAT" and not is_told:
            out.write(_chunk(b"eXIf", exif_of(orientation)))
            is_told = True
        if name in _PIXELS or name in _COLOURS:
            out.write(data[at : at + length + 12])
        at += length + 12
    return is_animated


def _chunk(name: bytes, said: bytes) -> bytes:
    return struct.pack(">I", len(said)) + name + said + struct.pack(">I", zlib.crc32(name + said))
