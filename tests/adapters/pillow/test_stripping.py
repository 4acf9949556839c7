"""What is said about a picture is taken out of its file; no pixel changes, and it is seen as it was."""

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from PIL import Image, ImageOps, PngImagePlugin

from domain.picture import PictureFormat
from domain.product import ProductKey
from tests.adapters.pillow.conftest import Edit
from tests.support.icc import DISPLAY_P3, profile
from tests.support.pictures import chunk, encoded, exif, opened, quarters, ycck

pytestmark = pytest.mark.asyncio(loop_scope="module")

JPEG, PNG, WEBP, GIF, HEIC, HEIF, AVIF = PictureFormat
P3 = profile(DISPLAY_P3)
SECRET = b"53.55 N 10.00 E, by Longshore"
FILM = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + SECRET * 40


def told(format_: PictureFormat, image: Image.Image | None = None, **options: Any) -> bytes:
    xmp = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    return encoded(image or quarters(), format_, icc_profile=P3, xmp=xmp, **{"exif": exif(6)} | options)


def texts() -> PngImagePlugin.PngInfo:
    found = PngImagePlugin.PngInfo()
    found.add_text("Comment", SECRET.decode())
    found.add_text("Author", SECRET.decode(), zip=True)
    found.add_itxt("Place", SECRET.decode())
    return found


def mpo() -> bytes:
    data = io.BytesIO()
    quarters().save(data, "MPO", save_all=True, append_images=[quarters()], exif=exif(6), icc_profile=P3)
    return data.getvalue()


def thumbnailed() -> bytes:
    """A JPEG whose JFIF header holds a small picture."""
    plain = told(JPEG)
    head = b"\xff\xe0" + struct.pack(">H", 16 + 3 * 4) + plain[6:18] + b"\x02\x02" + SECRET[:12]
    return plain[:2] + head + plain[20:]


def framed(format_: PictureFormat) -> bytes:
    frames: dict[str, Any] = {"save_all": True, "append_images": [quarters().rotate(180)], "duration": 40, "loop": 3}
    return encoded(quarters(), AVIF, **frames) if format_ is AVIF else told(format_, None, **frames)


PICTURES: Mapping[str, Callable[[], bytes]] = {
    "jpeg": lambda: told(JPEG, comment=SECRET),
    "jpeg, progressive": lambda: told(JPEG, progressive=True),
    "jpeg, upright": lambda: told(JPEG, exif=exif(1)),
    "jpeg, to begin again from": lambda: told(JPEG, restart_marker_blocks=2),
    "jpeg, inks": lambda: ycck(quarters()),
    "jpeg, grey": lambda: encoded(quarters().convert("L"), JPEG, exif=exif(6), comment=SECRET),
    "jpeg, two pictures": mpo,
    "jpeg, a film behind it": lambda: told(JPEG) + FILM,
    "jpeg, a small one in its header": thumbnailed,
    "jpeg, rubbish between its segments": lambda: (plain := told(JPEG))[:20] + b"\0\0\xff\0" + SECRET + plain[20:],
    "png": lambda: told(PNG, pnginfo=texts()),
    "png, palette": lambda: told(PNG, quarters().quantize(4), transparency=1),
    "png, rubbish behind": lambda: told(PNG) + chunk(b"tEXt", SECRET),
    "apng": lambda: framed(PNG),
    "webp": lambda: told(WEBP),
    "webp, lossless": lambda: told(WEBP, lossless=True, exact=True),
    "webp, bare": lambda: encoded(quarters(), WEBP),
    "webp, animated": lambda: framed(WEBP),
    "gif": lambda: encoded(quarters(), GIF, comment=SECRET),
    "gif, animated": lambda: encoded(
        quarters(), GIF, comment=SECRET, save_all=True, append_images=[quarters(9, 9)], loop=3
    ),
    "heic": lambda: told(HEIC),
    "heic, a film behind it": lambda: told(HEIC) + struct.pack(">I", 8 + len(FILM)) + b"mpvd" + FILM,
    "heif": lambda: told(HEIF),
    "avif": lambda: told(AVIF),
    "avif, animated": lambda: framed(AVIF),
}


def frames(data: bytes) -> list[bytes]:
    image = Image.open(io.BytesIO(data))
    found = []
    for at in range(getattr(image, "n_frames", 1) if image.format != "MPO" else 1):
        image.seek(at)
        found.append(image.convert("RGBA").tobytes())
    return found


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
async def test_nothing_is_told_and_every_pixel_stays(edit: Edit, make: Callable[[], bytes]) -> None:
    original = make()
    facts, made = await edit(original, ProductKey.STRIP_METADATA)
    for word in (SECRET, b"Longshore", b"xmpmeta", FILM[:12]):
        assert word not in made
    before, after = opened(original), opened(made)
    assert frames(made) == frames(original)
    assert after.info.get("icc_profile") == before.info.get("icc_profile")
    assert after.info.get("loop") == before.info.get("loop")
    seen = ImageOps.exif_transpose(before)
    assert ImageOps.exif_transpose(after).size == seen.size == (facts.width, facts.height)
    assert set(after.getexif()) <= {0x0112} and "xmp" not in after.info
    assert len(made) <= len(original)


@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, HEIC, AVIF])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_it_is_turned_as_it_was(edit: Edit, format_: PictureFormat, orientation: int) -> None:
    original = encoded(quarters(96, 64), format_, exif=exif(orientation))
    _, made = await edit(original, ProductKey.STRIP_METADATA)
    before, after = (ImageOps.exif_transpose(opened(data)) for data in (original, made))
    assert after.tobytes() == before.tobytes()


async def test_a_second_time_nothing_is_left_to_be_taken(edit: Edit) -> None:
    for make in PICTURES.values():
        _, once = await edit(make(), ProductKey.STRIP_METADATA)
        assert (await edit(once, ProductKey.STRIP_METADATA))[1] == once
