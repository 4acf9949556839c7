"""GIF: blocks, of which comments and most of what programs add say something about the picture (GIF89a §15 to 26)."""

from typing import IO

_HEAD_BYTES, _IMAGE_BYTES = 13, 10
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF
# How often it repeats, and its colours.
_KEPT = frozenset((b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"))


def strip_gif(data: memoryview, orientation: int, out: IO[bytes]) -> bool:  # noqa: ARG001  # GIFs are upright
    at = _HEAD_BYTES + _colours(data[10])
    out.write(data[:at])
    images = 0
    while at < len(data) and data[at] != _TRAILER:
        if data[at] == _IMAGE:
            images += 1
            end = _behind(data, at + _IMAGE_BYTES + _colours(data[at + 9]) + 1)
            out.write(data[at:end])
        elif data[at] == _EXTENSION:
            end = _behind(data, at + 2)
            label, application = data[at + 1], bytes(data[at + 3 : at + 14])
            if not (label == _COMMENT or (label == _APPLICATION and application not in _KEPT)):
                out.write(data[at:end])
        else:
            raise ValueError("no block")
        at = end
    out.write(bytes((_TRAILER,)))
    return images > 1


def _colours(flags: int) -> int:
    """How many bytes the table of colours has that ``flags`` tell of."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind(data: memoryview, at: int) -> int:
    """Where the pieces end that begin at ``at``, each with its length."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
