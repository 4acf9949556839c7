"""JPEG: segments, each begun by a marker, and between them the pixels (ITU-T T.81, annex B)."""

import struct
from typing import IO

from adapters.outbound.pillow.scans import MARKER
from adapters.outbound.pillow.stripping.orientation import UPRIGHT, exif_of

_EOI, _SOS, _COMMENT = 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_JFIF_BYTES = 14  # of the segment behind its length; a thumbnail follows, of a size that its last two bytes say


def strip_jpeg(data: memoryview, orientation: int, out: IO[bytes]) -> bool:
    out.write(data[:2])
    at, is_told = 2, orientation == UPRIGHT
    # What lies between segments, and is none, decoders skip.
    while (found := MARKER.search(data, at)) and data[found.start() + 1] != _EOI:
        at, marker = found.start(), data[found.start() + 1]
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at : at + 2 + length]
        if not is_told and marker != _APP0:
            out.write(_segment(_APP1, b"Exif\0\0" + exif_of(orientation)))
            is_told = True
        out.write(_kept(marker, segment))
        at += 2 + length
        if marker == _SOS:
            end = MARKER.search(data, at)
            out.write(data[at : end.start() if end else len(data)])
            at = end.start() if end else len(data)
    out.write(bytes((0xFF, _EOI)))
    return False


def _kept(marker: int, segment: memoryview) -> bytes | memoryview:
    said = bytes(segment[4:])
    if marker == _APP0:
        is_jfif = said.startswith(b"JFIF\0") and len(said) >= _JFIF_BYTES
        return _segment(_APP0, said[: _JFIF_BYTES - 2] + bytes(2)) if is_jfif else b""
    if marker == _APP2:
        return segment if said.startswith(b"ICC_PROFILE\0") else b""
    if marker == _APP14:
        return segment if said.startswith(b"Adobe") else b""  # how its colours are to be read
    return b"" if _APP0 <= marker <= _APP15 or marker == _COMMENT else segment


def _segment(marker: int, said: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(said)) + said
