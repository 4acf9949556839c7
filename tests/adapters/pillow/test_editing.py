"""What each product makes of pictures as phones and programs make them (docs/products.md)."""

import io
from functools import cache

import pytest
from PIL import Image, ImageOps

from domain.errors import TooManyPixels
from domain.picture import PictureFormat
from domain.product import ProductKey
from tests.adapters.pillow.conftest import Edit
from tests.support.icc import DISPLAY_P3, profile, seen_in_srgb
from tests.support.pictures import BLUE, GREEN, RED, YELLOW, Colour, close_to, encoded, exif, fields, opened, quarters

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMPRESS, CONVERT, RESIZE, THUMBNAILS, STRIP = ProductKey
JPEG, PNG, WEBP, GIF, HEIC, HEIF, AVIF = PictureFormat
QUARTERS = (RED, GREEN, BLUE, YELLOW)
UPRIGHT = (BLUE, RED, YELLOW, GREEN)  # the four fields of what EXIF says to turn to the right
WHITE = (255, 255, 255)
TOLD = {"exif": exif(6), "xmp": b"<x:xmpmeta>secret</x:xmpmeta>"}
ANEW = {JPEG: JPEG, PNG: PNG, WEBP: WEBP, GIF: GIF, HEIC: JPEG, HEIF: JPEG, AVIF: AVIF}


@cache
def phones(format_: PictureFormat) -> bytes:
    """What a camera makes: noise over everything, to be turned, with the place where it was taken."""
    photo = Image.blend(quarters(240, 160), Image.effect_noise((240, 160), 60).convert("RGB"), 0.04)
    return encoded(photo, format_, **({} if format_ is GIF else TOLD), quality=95)


def shows(data: bytes, wanted: tuple[Colour, ...] = QUARTERS, tolerance: int = 24) -> bool:
    upright = ImageOps.exif_transpose(opened(data))
    return all(close_to(*each, tolerance) for each in zip(fields(upright), wanted, strict=True))


def tells_nothing(data: bytes) -> bool:
    told = opened(data).getexif()
    return not set(told) - {0x0112} and not any(
        word in data for word in (b"Longshore", b"secret", b"GPS", b"Exif\0\0II")
    )


@pytest.mark.parametrize("format_", PictureFormat)
async def test_compressed_it_is_smaller_of_its_own_format_and_tells_nothing(edit: Edit, format_: PictureFormat) -> None:
    original = phones(format_)
    told, made = await edit(original, COMPRESS, quality=50)
    assert len(made) <= len(original) - (format_ is not GIF)
    assert told.format is (ANEW[format_] if format_ not in (HEIC, HEIF) else told.format)
    assert opened(made).format == {HEIC: "HEIF", HEIF: "HEIF"}.get(told.format, told.format.upper())
    assert (told.width, told.height) == ((240, 160) if format_ is GIF else (160, 240))
    assert shows(made, QUARTERS if format_ is GIF else UPRIGHT) and tells_nothing(made)


async def test_lower_quality_is_smaller(edit: Edit) -> None:
    sizes = [len((await edit(phones(JPEG), COMPRESS, quality=quality))[1]) for quality in (10, 50, 90)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2] / 2


@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, GIF, AVIF])
async def test_what_gets_no_smaller_is_given_back_without_what_it_told(edit: Edit, format_: PictureFormat) -> None:
    small = encoded(quarters(), format_) if format_ is GIF else encoded(quarters(), format_, **TOLD, quality=5)
    _, once = await edit(small, COMPRESS, quality=100)
    assert len(once) <= len(small) and tells_nothing(once)
    assert (await edit(once, COMPRESS, quality=100))[1] == once
    assert shows(once, QUARTERS if format_ is GIF else UPRIGHT, tolerance=40)


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("format_", PictureFormat)
async def test_it_becomes_the_format_that_is_asked_for(edit: Edit, format_: PictureFormat, target: str) -> None:
    told, made = await edit(phones(format_), CONVERT, format=target)
    picture = opened(made)
    assert (told.format, told.media_type, picture.format) == (target, f"image/{target}", target.upper())
    assert picture.size == (told.width, told.height) == ((240, 160) if format_ is GIF else (160, 240))
    assert all(
        close_to(*each, 24) for each in zip(fields(picture), QUARTERS if format_ is GIF else UPRIGHT, strict=True)
    )
    assert not picture.getexif() and tells_nothing(made) and "icc_profile" not in picture.info


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "avif"])
async def test_transparency_is_kept_where_the_format_has_it_and_is_white_where_it_has_not(
    edit: Edit, target: str
) -> None:
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (120, 80, 240, 160))
    for original in (encoded(image, PNG), encoded(image, WEBP, lossless=True), encoded(image.quantize(5), PNG)):
        picture = opened((await edit(original, CONVERT, format=target))[1])
        if target == "jpeg":
            assert all(map(close_to, fields(picture), (RED, GREEN, BLUE, WHITE)))
        else:
            assert picture.mode == "RGBA"
            assert [picture.getpixel(at)[3] for at in ((10, 10), (230, 150))] == [255, 0]  # type: ignore[index]
            assert all(map(close_to, fields(picture)[:3], (RED, GREEN, BLUE)))


@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, HEIC, AVIF])
async def test_other_colour_spaces_become_srgb(edit: Edit, format_: PictureFormat) -> None:
    original = encoded(quarters(), format_, icc_profile=profile(DISPLAY_P3), quality=95)
    for key in (CONVERT, RESIZE):
        picture = opened((await edit(original, key))[1])
        assert "icc_profile" not in picture.info
        seen = [seen_in_srgb(colour, DISPLAY_P3) for colour in QUARTERS]
        assert all(map(close_to, fields(picture), seen))


async def test_grey_stays_grey_and_inks_become_colours(edit: Edit) -> None:
    assert opened((await edit(encoded(quarters().convert("L"), JPEG), RESIZE))[1]).mode == "L"
    inks = opened((await edit(encoded(quarters().convert("CMYK"), JPEG, quality=95), RESIZE))[1])
    assert inks.mode == "RGB" and all(map(close_to, fields(inks), QUARTERS))


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, (160, 240)),
        ({"width": 80}, (80, 120)),
        ({"height": 48}, (32, 48)),
        ({"width": 80, "height": 80}, (53, 80)),
        ({"width": 5000}, (160, 240)),
        ({"width": 320, "enlarge": True}, (320, 480)),
        ({"width": 1}, (1, 2)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 960, "height": 480, "fit": "cover"}, (160, 80)),
        ({"width": 300, "height": 300, "fit": "cover", "enlarge": True}, (300, 300)),
    ],
    ids=str,
)
async def test_it_gets_the_size_that_is_asked_for_and_keeps_its_ratio(
    edit: Edit, parameters: dict[str, int | str | bool], size: tuple[int, int]
) -> None:
    told, made = await edit(phones(JPEG), RESIZE, **parameters)
    assert opened(made).size == (told.width, told.height) == size
    assert min(size) < 10 or shows(made, UPRIGHT, tolerance=40)


@pytest.mark.parametrize("format_", PictureFormat)
async def test_resized_it_is_of_its_own_format(edit: Edit, format_: PictureFormat) -> None:
    told, made = await edit(phones(format_), RESIZE, width=120)
    assert told.format is ANEW[format_] and opened(made).format == ANEW[format_].upper()
    assert tells_nothing(made) and shows(made, QUARTERS if format_ is GIF else UPRIGHT, tolerance=40)


@pytest.mark.parametrize("parameters", [{"width": 16000}, {"width": 9000, "height": 9000, "fit": "cover"}], ids=str)
async def test_more_pixels_than_are_taken_are_not_made_either(edit: Edit, parameters: dict[str, int | str]) -> None:
    with pytest.raises(TooManyPixels, match="what it would become"):
        await edit(phones(JPEG), RESIZE, **parameters, enlarge=True)


async def test_a_format_that_can_not_hold_it_says_so(edit: Edit) -> None:
    with pytest.raises(TooManyPixels, match="than its format can hold"):
        await edit(encoded(Image.new("L", (16384, 2)), PNG), CONVERT, format="webp")


@pytest.mark.parametrize("box", [100, 300, 1200])
async def test_a_thumbnail_is_a_jpeg_within_its_box(edit: Edit, box: int) -> None:
    told, made = await edit(phones(HEIC), THUMBNAILS, box=box)
    assert (told.format, max(told.width, told.height)) == (JPEG, min(box, 240))
    assert tells_nothing(made) and shows(made, UPRIGHT, tolerance=40)


@pytest.mark.parametrize("format_", [PNG, WEBP, GIF])
async def test_an_animation_is_a_still_where_it_is_drawn_anew_and_moves_on_where_it_is_not(
    edit: Edit, format_: PictureFormat
) -> None:
    frames = [Image.new("RGB", (240, 160), each) for each in ("white", "black")]
    original = encoded(quarters(), format_, save_all=True, append_images=frames, duration=50)
    for key, count in ((COMPRESS, 3), (STRIP, 3), (RESIZE, 1), (CONVERT, 1)):
        _, made = await edit(original, key)
        assert getattr(Image.open(io.BytesIO(made)), "n_frames", 1) == count
        assert shows(made, tolerance=40)
