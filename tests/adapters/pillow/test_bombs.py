"""Files that are no larger than a letter, and want all the memory there is: they get none of it."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from adapters.outbound.memory.spool import MemorySpooled
from adapters.outbound.pillow.processor import PillowProcessor
from domain.errors import InvalidPicture, TooManyPixels
from domain.picture import PictureFormat
from domain.product import PRODUCTS, Recipe
from domain.rendition import Box
from tests.adapters.pillow.conftest import Spooling, children
from tests.support.bombs import BOMBS
from tests.support.pictures import encoded, quarters

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_GROWTH_KIB = 60 * 1024
OF_TOO_MANY_PIXELS = [
    "webp of 16383²",
    "heic of 108 megapixels",
    "png of 30000², one bit",
    "png that lies",
    "progressive jpeg of 20000²",
]


def peak_kib(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def fresh_peak_kib(process: psutil.Process) -> int:
    """The peak starts again from here (proc(5), clear_refs)."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return peak_kib(process)


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_takes_no_memory_to_speak_of(
    processor: PillowProcessor, spooled: Spooling, make: Callable[[], bytes]
) -> None:
    async with spooled(encoded(quarters(), PictureFormat.JPEG)) as picture:
        await processor.look(picture)
    (child,) = children()
    before = fresh_peak_kib(child)
    async with spooled(make()) as bomb:
        for refused_or_harmless in (processor.look, processor.check, partial(processor.draw, boxes=list(Box))):
            with suppress(TooManyPixels, InvalidPicture):
                await refused_or_harmless(bomb)
    assert children() == [child], "it has cost a process"
    assert peak_kib(child) - before < MOST_GROWTH_KIB


@pytest.mark.parametrize(
    "name",
    [
        "webp of 16383²",
        "heic of 108 megapixels",
        "png of 30000², one bit",
        "png that lies",
        "progressive jpeg of 20000²",
    ],
)
async def test_it_is_refused_by_its_header(processor: PillowProcessor, spooled: Spooling, name: str) -> None:
    async with spooled(BOMBS[name]()) as bomb:
        edits = (processor.edit(bomb, Recipe.of(product), MemorySpooled()) for product in PRODUCTS)
        for refused in (processor.look(bomb), processor.check(bomb), processor.draw(bomb, list(Box)), *edits):
            with pytest.raises(TooManyPixels, match=r"megapixels; at most 80 are taken"):
                await refused
