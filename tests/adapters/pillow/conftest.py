"""One processor for all tests of a file, and short ways to have it draw or edit some bytes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from PIL import Image

from adapters.outbound.pillow.processor import PillowProcessor
from adapters.outbound.system.spool import DiskSpool
from domain.byte_range import ByteRange
from domain.product import PRODUCTS, Edited, ProductKey, Recipe
from domain.rendition import Box
from ports.blob_storage import Blob
from tests.support.pictures import opened

Draw = Callable[..., Awaitable[Image.Image]]
Edit = Callable[..., Awaitable[tuple[Edited, bytes]]]
Spooling = Callable[[bytes], AbstractAsyncContextManager[Blob]]


def children(of: int | None = None) -> list[psutil.Process]:
    """The processes that look at pictures; a worker of the tests has others as well."""
    return [
        each
        for each in psutil.Process(of).children()
        if each.status() != psutil.STATUS_ZOMBIE and any("pillow.child" in word for word in each.cmdline())
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def processor() -> AsyncIterator[PillowProcessor]:
    pillow = PillowProcessor(max_pixels=80_000_000, processes=1)
    yield pillow
    await pillow.close()


@pytest.fixture
def spooled(tmp_path: Path) -> Spooling:
    """Opens a file that holds the bytes given."""

    @asynccontextmanager
    async def spool(data: bytes) -> AsyncIterator[Blob]:
        async with DiskSpool(tmp_path).open() as picture:
            await picture.append(data)
            yield picture

    return spool


@pytest.fixture
def draw(processor: PillowProcessor, spooled: Spooling) -> Draw:
    """Has the bytes given drawn: the middle box, unless another is asked for."""

    async def drawn(data: bytes, box: Box = Box.MEDIUM) -> Image.Image:
        async with spooled(data) as picture:
            (thumbnail,) = await processor.draw(picture, [box])
        return opened(thumbnail.data)

    return drawn


@pytest.fixture
def edit(processor: PillowProcessor, spooled: Spooling, tmp_path: Path) -> Edit:
    """Has a product made of the bytes given; its parameters are named."""

    async def edited(data: bytes, key: ProductKey, **parameters: int | str | bool) -> tuple[Edited, bytes]:
        (product,) = [each for each in PRODUCTS if each.key is key]
        async with spooled(data) as picture, DiskSpool(tmp_path).open() as into:
            told = await processor.edit(picture, Recipe.of(product, parameters), into)
            return told, b"".join([block async for block in into.blocks(ByteRange(0, into.size))])

    return edited
