"""Pictures for tests: what they show is known, so that it can be told from their thumbnails."""

import io
from typing import Any

import pillow_heif
from PIL import Image, ImageDraw

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
    plain = image.convert("RGB")
    found = []
    for down in (1, 3):
        for across in (1, 3):
            pixel = plain.getpixel((width * across // 4, height * down // 4))
            assert isinstance(pixel, tuple)
            found.append(pixel)
    return found


def close_to(found: Colour, wanted: Colour, tolerance: int = 12) -> bool:
    return all(abs(mine - yours) <= tolerance for mine, yours in zip(found, wanted, strict=True))
