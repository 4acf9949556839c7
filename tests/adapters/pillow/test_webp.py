"""A still WEBP is decoded by another function than an animation; nobody sees a difference."""

import io

import pytest
from PIL import Image

from adapters.outbound.pillow.webp import WebpPicture

_WIDTH, _HEIGHT = 61, 47  # neither is a multiple of a block


def _written(image: Image.Image, **options: object) -> io.BytesIO:
    data = io.BytesIO()
    image.save(data, "WEBP", **options)
    data.seek(0)
    return data


def _colours(mode: str) -> Image.Image:
    noise = [Image.effect_noise((_WIDTH, _HEIGHT), spread) for spread in (20, 40, 60, 80)]
    return Image.merge(mode, noise[: len(mode)])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_still_picture_has_the_pixels_that_pillow_finds(mode: str, *, lossless: bool) -> None:
    data = _written(_colours(mode), lossless=lossless, exact=True)
    expected = Image.open(io.BytesIO(data.getvalue())).convert(mode)
    picture = WebpPicture(data)
    assert picture.reduced(picture.size).tobytes() == expected.tobytes()
    assert picture.mode == mode  # not RGBX, as the decoder of animations has it


def test_of_an_animation_it_is_the_first_frame() -> None:
    first, second = (Image.new("RGB", (_WIDTH, _HEIGHT), colour) for colour in ("red", "blue"))
    picture = WebpPicture(_written(first, lossless=True, save_all=True, append_images=[second]))
    assert picture.reduced(picture.size).convert("RGB").getpixel((5, 5)) == (255, 0, 0)
