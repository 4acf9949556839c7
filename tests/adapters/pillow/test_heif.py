"""A HEIC is made smaller before it is made red, green and blue, and nobody sees it; one with a hole is damaged."""

import io
import random
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops, ImageStat

from adapters.outbound.pillow.drawing import dhash
from adapters.outbound.pillow.heif import HeifPicture
from adapters.outbound.pillow.picture import Picture
from adapters.outbound.pillow.processor import PillowProcessor
from adapters.outbound.pillow.strips import StripPicture
from domain.errors import PictureCorrupted
from domain.picture import PictureFormat
from domain.rendition import Box
from tests.adapters.pillow.conftest import Spooling
from tests.support.pictures import encoded, exif, quarters

_SIZE = (301, 227)  # no multiple of a tile, nor of two
_THREADS = 2
_SEED = 9
_QUICKLY = {"preset": "ultrafast"}
STORED: dict[str, dict[str, Any]] = {
    "as usual": {},
    "in tiles": {"tile_size": 128},
    "turned": {"exif": exif(6)},
    "turned and mirrored": {"exif": exif(5), "tile_size": 128},
    "as for television": {"matrix_coefficients": 1, "full_range_flag": 0},
    "as for television, an older one": {"matrix_coefficients": 6, "full_range_flag": 0},
    "as for television, a newer one": {"matrix_coefficients": 9},
    "of all colours": {"chroma": 444},
    "of colours by themselves": {"chroma": 444, "matrix_coefficients": 0},
    "in a way that few know": {"matrix_coefficients": 4},
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_it_looks_as_if_its_pixels_had_been_made_smaller(stored: dict[str, Any]) -> None:
    data = encoded(_colours(), PictureFormat.HEIC, quality=90, enc_params=_QUICKLY, **stored)
    wanted = (75, 75)
    ours, plainly = _opened(data).reduced(wanted), StripPicture.reduced(_opened(data), wanted)
    assert (ours.mode, ours.size) == (plainly.mode, plainly.size)
    differences = ImageStat.Stat(ImageChops.difference(ours, plainly)).extrema
    assert max(most for _, most in differences) <= 3, differences


def test_it_is_told_from_others_as_if_all_of_it_had_been_looked_at() -> None:
    data = encoded(_colours((900, 800)), PictureFormat.HEIC, enc_params=_QUICKLY)
    plainly = StripPicture.grey(_opened(data))
    assert plainly.size == (900, 800)
    assert (dhash(_opened(data)) ^ dhash(_Plain(plainly))).bit_count() <= 1


class _Plain(Picture):
    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.size = image.size

    def grey(self) -> Image.Image:
        return self._image

    def reduced(self, wanted: tuple[int, int]) -> Image.Image:
        raise NotImplementedError


def _colours(size: tuple[int, int] = _SIZE) -> Image.Image:
    values = bytes(60 + value // 2 for value in random.Random(_SEED).randbytes(8 * 6 * 3))
    return Image.frombytes("RGB", (8, 6), values).resize(size, Image.Resampling.BICUBIC)


def _opened(data: bytes) -> HeifPicture:
    return HeifPicture(io.BytesIO(data), _THREADS)


def _wide(image: Image.Image) -> pillow_heif.HeifFile:
    return pillow_heif.from_bytes("RGB;16", image.size, bytes(byte for value in image.tobytes() for byte in (0, value)))


WITH_HOLES = {
    "colours": pillow_heif.from_pillow,
    "grey": lambda image: pillow_heif.from_pillow(image.convert("L")),
    "transparent": lambda image: pillow_heif.from_pillow(image.convert("RGBA")),
    "10 bit": _wide,
}


@pytest.mark.parametrize("made", WITH_HOLES.values(), ids=WITH_HOLES)
async def test_one_that_lacks_some_of_its_tiles_is_damaged(
    processor: PillowProcessor, spooled: Spooling, made: Any
) -> None:
    out = io.BytesIO()
    made(quarters(280, 200)).save(out, tile_size=128, enc_params=_QUICKLY)
    data = out.getvalue()
    async with spooled(data) as picture:
        await processor.check(picture)
    for broken in (data[:-50], data[: -len(data) // 3], data[: -len(data) // 3] + bytes(len(data) // 3)):
        async with spooled(broken) as picture:
            for call in (processor.check(picture), processor.draw(picture, list(Box))):
                with pytest.raises(PictureCorrupted):
                    await call
