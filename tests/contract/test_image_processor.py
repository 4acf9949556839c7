"""Contract of ports/image_processor.py. Kinds of pictures, bombs and broken ones, and what each product makes of them:
tests/adapters/pillow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from adapters.outbound.memory.spool import MemorySpool
from adapters.outbound.pillow.processor import PillowProcessor
from adapters.outbound.system.spool import DiskSpool
from domain.byte_range import ByteRange
from domain.errors import FileGone, InvalidPicture, PictureCorrupted, TooManyPixels
from domain.picture import PictureFacts, PictureFormat
from domain.product import PRODUCTS, Edited, Product, ProductKey, Recipe
from domain.rendition import Box
from ports.blob_storage import Blob
from ports.image_processor import ImageProcessor
from ports.spool import Spool
from tests.support.pictures import BLUE, GREEN, RED, YELLOW, close_to, encoded, fields, opened, quarters

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_PIXELS = 2_000_000


def product(key: ProductKey) -> Product:
    return next(each for each in PRODUCTS if each.key is key)


RECIPES = {key: Recipe.of(product(key)) for key in ProductKey}
NO_PICTURES = {
    "nothing": b"",
    "text": b"GIF is what this is not, nor anything else that could be looked at" * 3,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "tiff": b"II*\x00\x08\x00\x00\x00" + bytes(100),
    "a film": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(200),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def processor() -> AsyncIterator[ImageProcessor]:
    pillow = PillowProcessor(max_pixels=MAX_PIXELS, processes=1)
    yield pillow
    await pillow.close()


@pytest.fixture(params=["a file", "no file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    """Pictures come as files (a volume's, a spool's) or as blocks (a bucket's)."""
    return DiskSpool(tmp_path) if request.param == "a file" else MemorySpool()


@pytest.mark.parametrize("format_", PictureFormat)
async def test_a_picture_is_looked_at_checked_and_drawn(
    processor: ImageProcessor, spool: Spool, format_: PictureFormat
) -> None:
    async with spool.open() as picture:
        await picture.append(encoded(quarters(900, 600), format_))
        facts = PictureFacts(format_, 900, 600)
        assert await processor.look(picture) == facts
        assert (await processor.check(picture)).facts == facts
        drawn = await processor.draw(picture, list(Box))
    assert [(each.box, each.width, each.height, each.media_type) for each in drawn] == [
        (Box.SMALL, 100, 67, "image/jpeg"),
        (Box.MEDIUM, 300, 200, "image/jpeg"),
        (Box.LARGE, 900, 600, "image/jpeg"),
    ]
    for each in drawn:
        thumbnail = opened(each.data)
        assert (thumbnail.size, thumbnail.format, thumbnail.mode) == ((each.width, each.height), "JPEG", "RGB")
        assert all(map(close_to, fields(thumbnail), (RED, GREEN, BLUE, YELLOW)))


@pytest.mark.parametrize("key", ProductKey)
async def test_a_picture_is_edited_and_what_comes_of_it_is_what_was_told(
    processor: ImageProcessor, spool: Spool, key: ProductKey
) -> None:
    async with spool.open() as picture, spool.open() as into:
        await picture.append(encoded(quarters(900, 600), PictureFormat.JPEG, quality=95))
        told = await processor.edit(picture, RECIPES[key], into)
        made = opened(b"".join([block async for block in into.blocks(ByteRange(0, into.size))]))
    size = (300, 200) if key is ProductKey.THUMBNAILS else (900, 600)
    assert told == Edited(PictureFormat.JPEG, *size)
    assert (made.format, made.size) == ("JPEG", size)
    assert all(map(close_to, fields(made), (RED, GREEN, BLUE, YELLOW)))


async def test_what_comes_of_it_may_be_larger_than_a_block(processor: ImageProcessor, spool: Spool) -> None:
    noise = Image.effect_noise((900, 600), 90)
    async with spool.open() as picture, spool.open() as into:
        await picture.append(encoded(noise, PictureFormat.JPEG))
        await processor.edit(picture, Recipe.of(product(ProductKey.CONVERT), {"format": "png"}), into)
        made = b"".join([block async for block in into.blocks(ByteRange(0, into.size))])
        assert opened(made).size == (900, 600) and len(made) > 256 * 1024


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
async def test_what_is_no_picture_is_refused(processor: ImageProcessor, spool: Spool, data: bytes) -> None:
    async with spool.open() as picture, spool.open() as into:
        await picture.append(data)
        for refused in (
            processor.look(picture),
            processor.check(picture),
            processor.draw(picture, [Box.SMALL]),
            *(processor.edit(picture, recipe, into) for recipe in RECIPES.values()),
        ):
            with pytest.raises(InvalidPicture, match="not a picture"):
                await refused


async def test_too_many_pixels_are_refused_by_the_header_with_how_many_there_are(
    processor: ImageProcessor, spool: Spool
) -> None:
    async with spool.open() as picture, spool.open() as into:
        # the header alone: nothing of it could be decoded
        await picture.append(encoded(quarters(3000, 1000), PictureFormat.PNG)[:60])
        for refused in (
            processor.look(picture),
            processor.check(picture),
            processor.draw(picture, [Box.SMALL]),
            *(processor.edit(picture, recipe, into) for recipe in RECIPES.values()),
        ):
            with pytest.raises(TooManyPixels, match="the picture has 3 megapixels; at most 2 are taken"):
                await refused


@pytest.mark.parametrize("format_", PictureFormat)
async def test_one_that_breaks_off_is_corrupted_although_its_header_is_whole(
    processor: ImageProcessor, spool: Spool, format_: PictureFormat
) -> None:
    whole = encoded(quarters(900, 600), format_)
    async with spool.open() as picture, spool.open() as into:
        await picture.append(whole[: -len(whole) // 3])
        for refused in (
            processor.check(picture),
            processor.draw(picture, [Box.SMALL]),
            *(processor.edit(picture, recipe, into) for recipe in RECIPES.values()),
        ):
            with pytest.raises(PictureCorrupted, match="damaged"):
                await refused


async def test_bytes_that_are_gone_are_no_damage_of_the_picture(processor: ImageProcessor, tmp_path: Path) -> None:
    class Shortened:
        """A blob whose file somebody has cut."""

        def __init__(self, blob: Blob) -> None:
            self.fd = blob.fd
            self.size = blob.size + 1000

    async with DiskSpool(tmp_path).open() as picture:
        data = encoded(quarters(), PictureFormat.PNG)
        await picture.append(data[:-20])
        with pytest.raises(FileGone):
            await processor.check(Shortened(picture))  # type: ignore[arg-type]  # the two are all that is asked for


async def test_the_caller_keeps_its_picture(processor: ImageProcessor, tmp_path: Path) -> None:
    async with DiskSpool(tmp_path).open() as picture:
        await picture.append(encoded(quarters(), PictureFormat.PNG))
        first = await processor.check(picture)
        assert await processor.check(picture) == first
