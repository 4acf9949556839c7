"""WEBP: chunks in a RIFF container (RFC 9649 §2); its header says which kinds there are."""

import struct
from typing import IO

from adapters.outbound.pillow.stripping.orientation import UPRIGHT, exif_of

_HEAD_BYTES = 12
_KEPT = frozenset((b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_HAS_EXIF, _HAS_XMP = 0x08, 0x04


def strip_webp(data: memoryview, orientation: int, out: IO[bytes]) -> bool:
    end = min(len(data), 8 + int(struct.unpack_from("<I", data, 4)[0]))
    kept: list[bytes | memoryview] = []
    at, is_animated, is_extended = _HEAD_BYTES, False, False
    while at + 8 <= end:
        name, length = bytes(data[at : at + 4]), struct.unpack_from("<I", data, at + 4)[0]
        chunk = data[at : at + 8 + length + length % 2]
        if name == b"VP8X":
            is_extended = True
            kept.append(_without_metadata(chunk, orientation))
        elif name in _KEPT:
            kept.append(chunk)
        is_animated |= name == b"ANIM"
        at += len(chunk)
    if is_extended and orientation != UPRIGHT:
        exif = exif_of(orientation)
        kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    out.write(b"RIFF" + struct.pack("<I", 4 + sum(map(len, kept))) + b"WEBP")
    for each in kept:
        out.write(each)
    return is_animated


def _without_metadata(chunk: memoryview, orientation: int) -> bytes:
    flags = chunk[8] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if orientation != UPRIGHT else 0)
    return bytes(chunk[:8]) + bytes((flags,)) + bytes(chunk[9:])
