"""Pictures of which some bytes are others: whatever a decoder makes of them, the server is told in the port's words."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest

from adapters.outbound.memory.spool import MemorySpooled
from adapters.outbound.pillow.pool import Patience
from adapters.outbound.pillow.processor import PillowProcessor
from domain.errors import InvalidPicture, ProcessorUnavailable, TooManyPixels
from domain.picture import PictureFormat
from domain.product import PRODUCTS, Recipe
from domain.rendition import Box
from tests.adapters.pillow.conftest import Spooling, children
from tests.support.icc import SRGB, profile
from tests.support.pictures import encoded, exif, quarters

SEED = 20261130


def originals() -> list[bytes]:
    told = {"exif": exif(6), "icc_profile": profile(SRGB)}
    frames = {"save_all": True, "append_images": [quarters(64, 48), quarters(64, 48).rotate(90)]}
    small = quarters(64, 48)
    return [
        *(encoded(small, format_, **told) for format_ in PictureFormat if format_ is not PictureFormat.GIF),
        encoded(small, PictureFormat.JPEG, progressive=True),
        encoded(small.convert("CMYK"), PictureFormat.JPEG),
        encoded(small.quantize(4), PictureFormat.PNG, transparency=1),
        encoded(small.convert("RGBA"), PictureFormat.WEBP, lossless=True),
        *(encoded(small, format_, **frames) for format_ in (PictureFormat.GIF, PictureFormat.PNG, PictureFormat.WEBP)),
    ]


def mutated(count: int) -> Iterator[bytes]:
    """Bits turned, bytes overwritten, stretches cut out, doubled or torn off."""
    chosen, pictures = random.Random(SEED), originals()
    for at in range(count):
        data = bytearray(pictures[at % len(pictures)])
        for _ in range(chosen.choice((1, 1, 2, 4, 16))):
            place = int(len(data) * chosen.random() ** chosen.choice((1, 4)))  # headers more often than pixels
            match chosen.randrange(6):
                case 0:
                    data[place] ^= 1 << chosen.randrange(8)
                case 1:
                    data[place] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 2:
                    data[place : place + 4] = chosen.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff"))
                case 3:
                    del data[place : place + chosen.randrange(1, 40)]
                case 4:
                    data[place:place] = data[place : place + chosen.randrange(1, 40)]
                case _:
                    del data[max(12, place) :]
            data = data or bytearray(b"\0")
        yield bytes(data)


async def survive(count: int, spooled: Spooling) -> Counter[str]:
    pillow = PillowProcessor(max_pixels=80_000_000, processes=2, patience=Patience(order=60))
    told: Counter[str] = Counter()
    recipes = cycle(Recipe.of(product) for product in PRODUCTS)
    try:
        for data in mutated(count):
            async with spooled(data) as picture:
                recipe = next(recipes)
                edit = pillow.edit(picture, recipe, MemorySpooled())
                for call in (pillow.check(picture), pillow.draw(picture, [Box.LARGE, Box.SMALL]), edit):
                    try:
                        await call
                        told["drawn"] += 1
                    except (InvalidPicture, TooManyPixels, ProcessorUnavailable) as error:
                        told[error.code] += 1
            assert len(children()) <= 2
    finally:
        await pillow.close()
    assert children() == []
    return told


async def test_four_hundred_mutated_pictures(spooled: Spooling) -> None:
    told = await survive(400, spooled)
    assert told["drawn"] and told["picture_corrupted"], "this check is blind"
    assert told["processor_unavailable"] <= 4, told


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_twenty_thousand_mutated_pictures(spooled: Spooling) -> None:
    told = await survive(20_000, spooled)
    print(told)
    assert told["processor_unavailable"] <= 200, told
