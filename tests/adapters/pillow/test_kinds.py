"""Pictures as phones and programs make them: each is drawn as it is to be looked at (docs/images.md)."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pillow_heif
import pytest
from PIL import Image

from adapters.outbound.pillow.processor import PillowProcessor
from domain.picture import PictureFormat
from domain.rendition import Box
from tests.adapters.pillow.conftest import Draw, Spooling
from tests.support.icc import DISPLAY_P3, SRGB, profile, seen_in_srgb
from tests.support.pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    Colour,
    chunk,
    close_to,
    colour_at,
    encoded,
    exif,
    fields,
    opened,
    png,
    quarters,
    ycck,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

JPEG, PNG, WEBP, GIF, HEIC, AVIF = (
    PictureFormat.JPEG,
    PictureFormat.PNG,
    PictureFormat.WEBP,
    PictureFormat.GIF,
    PictureFormat.HEIC,
    PictureFormat.AVIF,
)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
QUARTERS = (RED, GREEN, BLUE, YELLOW)
OTHER = quarters(colours=(BLACK, BLACK, BLACK, BLACK))
GREYS = tuple(fields(quarters().convert("L")))


@dataclass(frozen=True)
class Kind:
    make: Callable[[], bytes]
    shows: tuple[Colour, ...] = QUARTERS
    size: tuple[int, int] = (240, 160)
    tolerance: int = 12


def through(*holes: int) -> Image.Image:
    """The four fields, those named transparent."""
    image = quarters().convert("RGBA")
    for hole in holes:
        image.paste((0, 0, 0, 0), (hole % 2 * 120, hole // 2 * 80, hole % 2 * 120 + 120, hole // 2 * 80 + 80))
    return image


def half() -> Image.Image:
    image = quarters().convert("RGBA")
    image.putalpha(127)
    return image


def mpo(second: Image.Image, **options: object) -> bytes:
    """A JPEG with another one behind it, that a table at its beginning tells of."""
    data = io.BytesIO()
    quarters().save(data, "MPO", save_all=True, append_images=[second], **options)
    return data.getvalue()


def animated(format_: PictureFormat, first: Image.Image, **options: object) -> bytes:
    frames = [Image.new(first.mode, first.size, each) for each in ("white", "black")]
    return encoded(first, format_, save_all=True, append_images=frames, duration=50, **options)


def sixteen(image: Image.Image) -> bytes:
    """Rows of 16-bit values, most significant byte first, whose lower half says something else."""
    return b"".join(bytes((value, 255 - value)) for value in image.tobytes())


def heic(*images: Image.Image, primary: int = 0, **options: object) -> bytes:
    file = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    for image in images:
        file.add_from_pillow(image)
    data = io.BytesIO()
    file.save(data, quality=90, primary_index=primary, **options)
    return data.getvalue()


def ten_bit(format_: PictureFormat = HEIC) -> bytes:
    wide = b"".join(struct.pack("<H", value * 257) for value in quarters().tobytes())
    data = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (240, 160), wide).save(data, quality=90)
    assert pillow_heif.open_heif(data.getvalue()).info["bit_depth"] == 10
    return data.getvalue()


def with_profile(format_: PictureFormat, found: bytes) -> bytes:
    return encoded(quarters(), format_, icc_profile=found)


SWAPPED = profile((SRGB[1], SRGB[0], SRGB[2]))
OF_SWAPPED = tuple(seen_in_srgb(colour, (SRGB[1], SRGB[0], SRGB[2])) for colour in QUARTERS)
OF_P3 = tuple(seen_in_srgb(colour, DISPLAY_P3) for colour in QUARTERS)
FILM = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(range(256)) * 40
BLACK_OF_FOUR = quarters(colours=(RED, GREEN, BLUE, BLACK)).quantize(4).getpixel((200, 150))

KINDS = {
    "jpeg": Kind(lambda: encoded(quarters(), JPEG)),
    "jpeg, progressive": Kind(lambda: encoded(quarters(), JPEG, progressive=True)),
    "jpeg, grey": Kind(lambda: encoded(quarters().convert("L"), JPEG), GREYS),
    "jpeg, cmyk": Kind(lambda: encoded(quarters().convert("CMYK"), JPEG, quality=95)),
    "jpeg, ycck": Kind(lambda: ycck(quarters())),
    "jpeg, mpo": Kind(lambda: mpo(OTHER)),
    "jpeg, ultra hdr": Kind(lambda: mpo(Image.new("RGB", (60, 40), (90, 90, 90)), xmp=b"<x hdrgm:Version='1.0'/>")),
    "jpeg, motion photo": Kind(lambda: encoded(quarters(), JPEG) + FILM),
    "jpeg, rubbish behind": Kind(lambda: encoded(quarters(), JPEG) + b"\xff\xd8\xff\xe0" + bytes(1000)),
    "png": Kind(lambda: encoded(quarters(), PNG)),
    "png, palette": Kind(lambda: encoded(quarters().quantize(4), PNG)),
    "png, palette with transparency": Kind(lambda: encoded(through(3).quantize(5), PNG), (RED, GREEN, BLUE, WHITE)),
    "png, palette with one transparent colour": Kind(
        lambda: encoded(quarters(colours=(RED, GREEN, BLUE, BLACK)).quantize(4), PNG, transparency=BLACK_OF_FOUR),
        (RED, GREEN, BLUE, WHITE),
    ),
    "png, transparent": Kind(lambda: encoded(through(0, 3), PNG), (WHITE, GREEN, BLUE, WHITE)),
    "png, half transparent": Kind(
        lambda: encoded(half(), PNG), tuple(tuple((255 + value) // 2 for value in colour) for colour in QUARTERS)
    ),
    "png, grey with alpha": Kind(lambda: encoded(through(1).convert("LA"), PNG), (GREYS[0], WHITE, *GREYS[2:])),
    "png, grey with one transparent grey": Kind(
        lambda: encoded(quarters(colours=(RED, GREEN, BLUE, BLACK)).convert("L"), PNG, transparency=0),
        (*GREYS[:3], WHITE),
    ),
    "png, rgb with one transparent colour": Kind(
        lambda: encoded(quarters(), PNG, transparency=GREEN), (RED, WHITE, BLUE, YELLOW)
    ),
    "png, black and white": Kind(
        lambda: encoded(quarters(colours=(WHITE, BLACK, BLACK, WHITE)).convert("1"), PNG),
        (WHITE, BLACK, BLACK, WHITE),
    ),
    "png, 16-bit": Kind(lambda: png(240, 160, 16, 2, sixteen(quarters()))),
    "png, 16-bit grey": Kind(lambda: png(240, 160, 16, 0, sixteen(quarters().convert("L"))), GREYS),
    "png, 16-bit with alpha": Kind(lambda: png(240, 160, 16, 6, sixteen(through(2))), (RED, GREEN, WHITE, YELLOW)),
    "png, 16-bit with one transparent colour": Kind(
        lambda: png(240, 160, 16, 2, sixteen(quarters()), (b"tRNS", sixteen(Image.new("RGB", (1, 1), GREEN))))
    ),
    "png, 16-bit grey with one transparent grey": Kind(
        lambda: png(240, 160, 16, 0, sixteen(quarters().convert("L")), (b"tRNS", b"\x12\x34")), GREYS
    ),
    "png, interlaced": Kind(lambda: encoded(quarters(), PNG, interlace=1)),
    "apng": Kind(lambda: animated(PNG, quarters())),
    "webp": Kind(lambda: encoded(quarters(), WEBP)),
    "webp, lossless": Kind(lambda: encoded(quarters(), WEBP, lossless=True)),
    "webp, transparent": Kind(lambda: encoded(through(0), WEBP, lossless=True), (WHITE, GREEN, BLUE, YELLOW)),
    "webp, animated": Kind(lambda: animated(WEBP, quarters())),
    "gif": Kind(lambda: encoded(quarters(), GIF)),
    "gif, animated": Kind(lambda: animated(GIF, quarters())),
    "gif, transparent": Kind(lambda: encoded(through(1), GIF), (RED, WHITE, BLUE, YELLOW)),
    "heic": Kind(lambda: heic(quarters())),
    "heic, in tiles": Kind(lambda: heic(quarters(1300, 900), tile_size=512), size=(300, 208)),
    "heic, several images": Kind(lambda: heic(OTHER, OTHER, quarters(), primary=2)),
    "heic, 10 bit": Kind(ten_bit),
    "heic, transparent": Kind(lambda: heic(through(3)), (RED, GREEN, BLUE, WHITE), tolerance=20),
    "heic, grey": Kind(lambda: heic(quarters().convert("L")), GREYS),
    "avif": Kind(lambda: encoded(quarters(), AVIF)),
    "avif, transparent": Kind(lambda: encoded(through(3), AVIF, quality=90), (RED, GREEN, BLUE, WHITE), tolerance=20),
    "avif, animated": Kind(lambda: animated(AVIF, quarters())),
    "avif, grey": Kind(lambda: encoded(quarters().convert("L"), AVIF), GREYS),
    **{
        f"{format_}, display p3": Kind(partial(with_profile, format_, profile(DISPLAY_P3)), OF_P3)
        for format_ in (JPEG, PNG, WEBP, HEIC, AVIF)
    },
    "jpeg, red and green swapped by its profile": Kind(lambda: with_profile(JPEG, SWAPPED), OF_SWAPPED),
    "png, transparent, with a profile": Kind(
        lambda: encoded(through(3), PNG, icc_profile=SWAPPED), (*OF_SWAPPED[:3], WHITE)
    ),
    "jpeg, a broken profile": Kind(lambda: with_profile(JPEG, SWAPPED[:200])),
    "png, rubbish for a profile": Kind(lambda: with_profile(PNG, b"profile" * 99)),
    "jpeg, grey, with a profile of colours": Kind(
        lambda: encoded(quarters().convert("L"), JPEG, icc_profile=profile(SRGB)), GREYS, tolerance=16
    ),
    "jpeg, grey, with its profile": Kind(
        lambda: encoded(quarters().convert("L"), JPEG, icc_profile=profile((), b"GRAY")), GREYS, tolerance=16
    ),
    "jpeg, colours, with a profile of greys": Kind(lambda: with_profile(JPEG, profile((), b"GRAY"))),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_a_picture_is_drawn_as_it_is_to_be_looked_at(draw: Draw, kind: Kind) -> None:
    thumbnail = await draw(kind.make())
    assert (thumbnail.size, thumbnail.format, thumbnail.mode) == (kind.size, "JPEG", "RGB")
    found = fields(thumbnail)
    assert all(close_to(*each, kind.tolerance) for each in zip(found, kind.shows, strict=True)), found


# Which of the four fields comes where, once the picture is turned as it asks for.
TURNED = {1: "0123", 2: "1032", 3: "3210", 4: "2301", 5: "0213", 6: "2031", 7: "3120", 8: "1302"}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, HEIC, AVIF])
async def test_a_picture_is_turned_once(
    draw: Draw, processor: PillowProcessor, spooled: Spooling, format_: PictureFormat, orientation: int
) -> None:
    data = encoded(quarters(), format_, exif=exif(orientation))
    thumbnail = await draw(data, Box.SMALL)
    assert thumbnail.size == ((67, 100) if orientation >= 5 else (100, 67))
    assert all(map(close_to, fields(thumbnail), (QUARTERS[int(at)] for at in TURNED[orientation])))
    async with spooled(data) as picture:
        facts = await processor.look(picture)
    assert (facts.width, facts.height) == ((160, 240) if orientation >= 5 else (240, 160))


async def test_a_heic_is_turned_by_its_container_whatever_its_exif_says(draw: Draw) -> None:
    data = encoded(quarters(), HEIC, exif=exif(6))
    said, other = (struct.pack(">HHIH", 0x0112, 3, 1, value) for value in (6, 8))
    lying = data.replace(said, other)
    assert lying != data, "this check is blind"
    assert all(map(close_to, fields(await draw(lying)), (BLUE, RED, YELLOW, GREEN)))


_TIFF = b"Exif\0\0II*\0"
NONSENSE = {
    "nine": exif(9),
    "none": exif(0),
    "a large number": _TIFF + struct.pack("<IHHHII", 8, 1, 0x0112, 4, 1, 6),
    "breaks off": exif(6)[:20],
    "a directory that is nowhere": _TIFF + struct.pack("<I", 0xFFFFFFF0),
    "a directory that is its own next": _TIFF + struct.pack("<IHHHIII", 8, 1, 0x010F, 3, 1, 6, 8),
    "a directory of 65,535 entries": _TIFF + struct.pack("<IH", 8, 0xFFFF) + bytes(60),
    "no exif": b"Exif\0\0nothing of the kind",
    "empty": b"Exif\0\0",
}


@pytest.mark.parametrize("found", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP])
async def test_exif_that_makes_no_sense_turns_nothing(draw: Draw, format_: PictureFormat, found: bytes) -> None:
    thumbnail = await draw(with_exif(format_, found))
    assert thumbnail.size == (240, 160)
    assert all(map(close_to, fields(thumbnail), QUARTERS))


def with_exif(format_: PictureFormat, found: bytes) -> bytes:
    """As it is: Pillow would put it in order."""
    if format_ is PNG:
        data = encoded(quarters(), PNG)
        return data[:33] + chunk(b"eXIf", found.removeprefix(b"Exif\0\0")) + data[33:]
    stand_in = exif(3).ljust(len(found) + 50, b"\0")
    data = encoded(quarters(), format_, exif=stand_in)
    wanted, kept = (each if format_ is JPEG else each.removeprefix(b"Exif\0\0") for each in (found, stand_in))
    return data.replace(kept, wanted.ljust(len(kept), b"\0"))


@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, HEIC, AVIF, GIF])
async def test_nothing_but_the_pixels_is_kept(
    processor: PillowProcessor, spooled: Spooling, format_: PictureFormat
) -> None:
    told = {
        "exif": exif(1),
        "xmp": b"<x:xmpmeta>Hamburg</x:xmpmeta>",
        "icc_profile": profile(SRGB),
        "comment": b"Hamburg",
    }
    async with spooled(encoded(quarters(), format_, **told)) as picture:
        for drawn in await processor.draw(picture, list(Box)):
            assert not [word for word in (b"Exif", b"xmp", b"ICC", b"Hamburg", b"Longshore") if word in drawn.data]
            assert set(Image.open(io.BytesIO(drawn.data)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


SIZES = {
    (1, 1): [(1, 1), (1, 1), (1, 1)],
    (1, 3000): [(1, 100), (1, 300), (1, 1200)],
    (3000, 1): [(100, 1), (300, 1), (1200, 1)],
    (5, 7000): [(1, 100), (1, 300), (1, 1200)],
    (50, 20): [(50, 20), (50, 20), (50, 20)],
    (100, 100): [(100, 100), (100, 100), (100, 100)],
    (301, 200): [(100, 66), (300, 199), (301, 200)],
    (1900, 1267): [(100, 67), (300, 200), (1200, 800)],
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("format_", [JPEG, PNG, WEBP, AVIF])
async def test_thumbnails_keep_the_ratio_and_are_never_larger(
    processor: PillowProcessor, spooled: Spooling, format_: PictureFormat, size: tuple[int, int]
) -> None:
    options = {"speed": 10} if format_ is AVIF else {}
    async with spooled(encoded(Image.new("RGB", size, RED), format_, **options)) as picture:
        drawn = await processor.draw(picture, list(Box))
    assert [(each.width, each.height) for each in drawn] == SIZES[size]
    assert all(close_to(colour_at(opened(each.data), 0, 0), RED) for each in drawn)


async def test_the_last_row_and_column_are_drawn(draw: Draw) -> None:
    """Pictures whose sides no reduction divides evenly: nothing is cut off, nothing black is added."""
    for format_ in (PNG, WEBP):
        image = Image.new("RGB", (3607, 3001), RED)
        image.paste(GREEN, (3600, 0, 3607, 3001))
        image.paste(BLUE, (0, 2994, 3607, 3001))
        thumbnail = await draw(encoded(image, format_, lossless=True), Box.LARGE)
        assert thumbnail.size == (1200, 998)
        assert close_to(colour_at(thumbnail, 1199, 500), GREEN, 40)
        assert close_to(colour_at(thumbnail, 600, 997), BLUE, 40)
        assert close_to(colour_at(thumbnail, 600, 500), RED)
