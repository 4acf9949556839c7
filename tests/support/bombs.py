"""Small files that would be enormous pictures, or that hold what nobody could want all of."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache

import pillow_heif
from PIL import Image

from domain.picture import PictureFormat
from tests.support.pictures import chunk, encoded


@cache
def _blank_png(width: int, height: int, depth: int, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Rows of zeros; compressed without ever being there."""
    bits = {0: 1, 2: 3, 6: 4}[colour_type] * depth
    row = bytes((width * bits + 7) // 8 + 1)
    deflate = zlib.compressobj(9)
    rows = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, data)
        for name, data in [
            (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)),
            *chunks,
            (b"IDAT", rows),
            (b"IEND", b""),
        ]
    )


@cache
def _zeros(mebibytes: int) -> bytes:
    deflate = zlib.compressobj(1)
    return b"".join(deflate.compress(bytes(1024**2)) for _ in range(mebibytes)) + deflate.flush()


def _webp_of(width: int, height: int) -> bytes:
    """A lossless one of a single colour, 34 bytes long: its header, then codes that take no bits a pixel."""
    small = encoded(Image.new("RGB", (16, 16)), PictureFormat.WEBP, lossless=True)
    bits = struct.unpack_from("<I", small, 21)[0] & ~0x0FFFFFFF
    return small[:21] + struct.pack("<I", bits | (width - 1) | (height - 1) << 14) + small[25:]


def _progressive_jpeg(side: int) -> bytes:
    """Its header says that it has ``side`` columns and rows, its data begin and break off."""
    small = encoded(Image.new("L", (64, 64)), PictureFormat.JPEG, progressive=True)
    at = small.index(b"\xff\xc2") + 5
    return small[:at] + struct.pack(">HH", side, side) + small[at + 4 :]


def _heic_of(width: int, height: int) -> bytes:
    """The size that a HEIC's header tells, over a picture that is a small one."""
    data = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(data)
    small = data.getvalue()
    at = small.index(b"ispe") + 8
    return small[:at] + struct.pack(">II", width, height) + small[at + 8 :]


def _frames(format_: PictureFormat, count: int) -> bytes:
    frames = [Image.new("L", (64, 64), at % 251) for at in range(count)]
    return encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=20)


def _gif_with_a_frame_of(side: int) -> bytes:
    small = encoded(Image.new("L", (16, 16)), PictureFormat.GIF)
    at = small.index(b",", 13 + 3 * 2) + 5
    return small[:at] + struct.pack("<HH", side, side) + small[at + 4 :]


def _hollow_png(width: int, height: int) -> bytes:
    """It says that it has so many columns and rows, and has ten bytes of them."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(10))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "webp of 16383²": lambda: _webp_of(16383, 16383),
    "heic of 108 megapixels": lambda: _heic_of(12000, 9000),
    "png of 30000², one bit": lambda: _blank_png(30000, 30000, 1, 0),
    "png that lies": lambda: _hollow_png(0x7FFFFFFF, 0x7FFFFFFF),
    "png that lies within the limit": lambda: _hollow_png(8900, 8900),
    "png with a text of 200 MB": lambda: _blank_png(8, 8, 8, 0, (b"zTXt", b"c\0\0" + _zeros(200))),
    "png with a profile of 200 MB": lambda: _blank_png(8, 8, 8, 0, (b"iCCP", b"p\0\0" + _zeros(200))),
    "png with sixty texts of a MB": lambda: _blank_png(8, 8, 8, 0, *[(b"zTXt", b"c\0\0" + _zeros(1))] * 60),
    "progressive jpeg of 20000²": lambda: _progressive_jpeg(20000),
    "apng of 1,000 frames": lambda: _frames(PictureFormat.PNG, 1000),
    "webp of 1,000 frames": lambda: _frames(PictureFormat.WEBP, 1000),
    "gif of 1,000 frames": lambda: _frames(PictureFormat.GIF, 1000),
    "gif whose frame is larger than it": lambda: _gif_with_a_frame_of(65535),
}
