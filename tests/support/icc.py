"""Colour profiles for tests: any three primaries with sRGB's white and a gamma of 2.2 (ICC.1:2001-04)."""

import struct
from collections.abc import Sequence

# Each primary's X, Y and Z as seen under D50.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
GAMMA = 2.2


def profile(primaries: Sequence[Sequence[float]], space: bytes = b"RGB ") -> bytes:
    """``space`` b"GRAY": the primaries don't matter."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256)) + bytes(2)
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)),
        (b"wtpt", _xyz(0.9642, 1.0, 0.8249)),
    ]
    if space == b"GRAY":
        tags.append((b"kTRC", curve))
    else:
        tags += [(name + b"XYZ", _xyz(*primary)) for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True)]
        tags += [(name + b"TRC", curve) for name in (b"r", b"g", b"b")]
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


def seen_in_srgb(colour: Sequence[int], primaries: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """What a colour of a ``profile`` is in sRGB, by the textbook."""
    linear = [(value / 255) ** GAMMA for value in colour]
    xyz = [sum(part * primary[axis] for part, primary in zip(linear, primaries, strict=True)) for axis in range(3)]
    to_srgb = ((3.1341, -1.6174, -0.4907), (-0.9788, 1.9161, 0.0335), (0.0719, -0.2290, 1.4057))
    return tuple(_gamma(sum(factor * each for factor, each in zip(row, xyz, strict=True))) for row in to_srgb)


def _gamma(linear: float) -> int:
    linear = min(1.0, max(0.0, linear))
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))
