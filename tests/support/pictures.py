"""Pictures for tests: what they show is known, so that it can be told from their thumbnails."""

import io
import struct
import zlib
from typing import Any

import pillow_heif
from PIL import ExifTags, Image, ImageChops, ImageDraw

from domain.picture import PictureFormat

RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 170, 60), (40, 60, 210), (230, 210, 40)
Colour = tuple[int, ...]

_SAVED_AS = {PictureFormat.HEIC: "HEIF", PictureFormat.HEIF: "HEIF"}


def quarters(
    width: int = 240, height: int = 160, colours: tuple[Colour, Colour, Colour, Colour] = (RED, GREEN, BLUE, YELLOW)
) -> Image.Image:
    """Four fields: first the upper left, then the upper right, the lower left, the lower right one."""
    image = Image.new("RGB", (width, height), colours[3])
    draw = ImageDraw.Draw(image)
    middle, half = width // 2, height // 2
    for colour, box in zip(
        colours, [(0, 0, middle, half), (middle, 0, width, half), (0, half, middle, height)], strict=False
    ):
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    return image


def encoded(image: Image.Image, format_: PictureFormat, **options: Any) -> bytes:
    data = io.BytesIO()
    pillow_heif.register_heif_opener()
    image.save(data, _SAVED_AS.get(format_, format_.value.upper()), **options)
    if format_ is PictureFormat.HEIF:
        return data.getvalue().replace(b"heic", b"mif1", 2)  # its brands: as programs name one that is no phone's
    return data.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def fields(image: Image.Image) -> list[Colour]:
    """The colours in the middle of the four quarters, in the order of ``quarters``."""
    width, height = image.size
    return [colour_at(image, width * across // 4, height * down // 4) for down in (1, 3) for across in (1, 3)]


def colour_at(image: Image.Image, across: int, down: int) -> Colour:
    found = image.convert("RGB").getpixel((across, down))
    assert isinstance(found, tuple)
    return found


def close_to(found: Colour, wanted: Colour, tolerance: int = 12) -> bool:
    return all(abs(mine - yours) <= tolerance for mine, yours in zip(found, wanted, strict=True))


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG put together by hand, for what Pillow writes none of. ``rows``: one after the other, unfiltered."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    length = len(rows) // height
    filtered = b"".join(b"\0" + rows[at : at + length] for at in range(0, len(rows), length))
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def ycck(image: Image.Image) -> bytes:
    """A JPEG as Photoshop writes it for printers: inks as luma and chroma, all of it inverted."""
    *inks, black = image.convert("CMYK").split()
    bands = (*Image.merge("RGB", inks).convert("YCbCr").split(), ImageChops.invert(black))
    data = io.BytesIO()
    Image.merge("CMYK", [ImageChops.invert(band) for band in bands]).save(data, "JPEG", quality=95)
    marker = data.getvalue().index(b"Adobe") + len(b"Adobe") + 6  # the last byte says what the four bands are
    return data.getvalue()[:marker] + b"\x02" + data.getvalue()[marker + 1 :]


def exif(orientation: int) -> bytes:
    """EXIF that says which way is up, and where it was taken."""
    found = Image.Exif()
    found[ExifTags.Base.Make] = "Longshore"
    found.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (53.0, 33.0, 1.0), 3: "E", 4: (9.0, 59.0, 1.0)})
    found[ExifTags.Base.Orientation] = orientation
    return found.tobytes()
