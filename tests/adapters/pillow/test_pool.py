"""The processes that look at pictures: when there are any, and what it costs when one dies, hangs or takes too much."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from adapters.outbound.memory.spool import MemorySpooled
from adapters.outbound.pillow.children import Child
from adapters.outbound.pillow.orders import ANSWER, DRAWING, Kind, Order, Outcome
from adapters.outbound.pillow.pool import Patience
from adapters.outbound.pillow.processor import PillowProcessor
from domain.byte_range import ByteRange
from domain.errors import PictureCorrupted, ProcessorBusy, ProcessorUnavailable, StorageFull
from domain.ids import OwnerId
from domain.picture import PictureFormat, similar
from domain.product import ProductKey, Recipe
from domain.rendition import Box
from tests.adapters.pillow.conftest import Spooling, children
from tests.support.pictures import encoded, quarters
from tests.support.until import wait_until

PICTURE = encoded(quarters(), PictureFormat.PNG)
NOISE = encoded(Image.effect_noise((1600, 1000), 90), PictureFormat.JPEG)
TO_PNG = Recipe(ProductKey.CONVERT, {"format": "png"})
LARGE = encoded(quarters(6000, 4000), PictureFormat.PNG, compress_level=1)
KEPT = encoded(quarters(3000, 2000), PictureFormat.PNG, compress_level=1)
"""So small that its memory is kept for another one."""


@asynccontextmanager
async def processor(
    processes: int = 1, patience: Patience | None = None, **limits: int
) -> AsyncIterator[PillowProcessor]:
    pillow = PillowProcessor(
        max_pixels=80_000_000, processes=processes, patience=patience or Patience(), memory_bytes=limits.get("memory")
    )
    try:
        yield pillow
    finally:
        await pillow.close()
        assert children() == []


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def busy(process: psutil.Process) -> None:
    before = process.cpu_times().user
    await wait_until(lambda: process.cpu_times().user > before)


async def test_there_is_none_before_there_is_a_picture_and_none_after_a_while(spooled: Spooling) -> None:
    async with processor(patience=Patience(idle=0.1)) as pillow, spooled(PICTURE) as picture:
        assert children() == []
        await pillow.look(picture)
        assert len(children()) == 1
        await wait_until(lambda: children() == [])
        await pillow.look(picture)


async def test_more_are_started_when_all_are_busy_and_never_more_than_may_be(spooled: Spooling) -> None:
    async with processor(processes=2) as pillow, spooled(PICTURE) as picture:
        drawn = await asyncio.gather(*(pillow.draw(picture, list(Box)) for _ in range(12)))
        assert len(children()) == 2
        assert all(each == drawn[0] for each in drawn)


async def test_one_that_is_killed_costs_its_order_alone(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(PICTURE) as picture, spooled(LARGE) as large:
        await pillow.look(picture)
        (process,) = children()
        drawing = asyncio.create_task(pillow.draw(large, list(Box)))
        waiting = asyncio.create_task(pillow.look(picture))
        await busy(process)
        process.kill()
        with pytest.raises(ProcessorUnavailable):
            await drawing
        assert (await waiting).width == 240


async def test_one_that_was_killed_while_idle_costs_nothing(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(PICTURE) as picture:
        await pillow.look(picture)
        (process,) = children()
        process.kill()
        await wait_until(lambda: is_gone(process))
        assert (await pillow.look(picture)).width == 240


async def test_one_that_hangs_is_ended(spooled: Spooling) -> None:
    async with processor(patience=Patience(order=1.0)) as pillow, spooled(PICTURE) as picture:
        await pillow.look(picture)
        (process,) = children()
        process.suspend()
        with pytest.raises(ProcessorUnavailable, match="too long"):
            await pillow.look(picture)
        await wait_until(lambda: is_gone(process))
        assert (await pillow.look(picture)).width == 240


async def test_nobody_waits_for_ever_for_one_to_be_free(spooled: Spooling) -> None:
    async with processor(patience=Patience(turn=0.05)) as pillow, spooled(PICTURE) as picture:
        await pillow.look(picture)
        children()[0].suspend()
        hanging = asyncio.create_task(pillow.check(picture))
        await asyncio.sleep(0)
        with pytest.raises(ProcessorBusy, match="too many"):
            await pillow.check(picture)
        assert (await pillow.look(picture)).width == 240, "for a header there is always somebody"
        (hangs,) = [each for each in children() if each.status() == psutil.STATUS_STOPPED]
        hangs.resume()
        assert (await hanging).facts.width == 240


@pytest.mark.parametrize("before", [b"", b"\xff\x01", b"\xff\xff"], ids=["plain", "a marker without length", "filling"])
async def test_a_jpeg_that_is_drawn_over_and_over_is_damaged(spooled: Spooling, before: bytes) -> None:
    jpeg = encoded(quarters(800, 800), PictureFormat.JPEG, progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    scan = before + jpeg[last:-2]
    async with processor() as pillow:
        async with spooled(jpeg[:-2] + scan * 20 + jpeg[-2:]) as picture:
            await pillow.check(picture)
        async with spooled(jpeg[:-2] + scan * 400 + jpeg[-2:]) as picture:
            with pytest.raises(PictureCorrupted):
                await pillow.check(picture)


async def test_who_waits_to_be_told_goes_before_thumbnails(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(PICTURE) as picture:
        over: list[str] = []

        async def note(name: str) -> None:
            await (pillow.check(picture) if name == "check" else pillow.draw(picture, list(Box)))
            over.append(name)

        await asyncio.gather(*(note(name) for name in ("draw", "draw", "draw", "check")))
        assert over == ["draw", "check", "draw", "draw"]


async def test_who_asks_for_much_waits_for_it_and_not_all_others(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(PICTURE) as picture:
        over: list[OwnerId] = []

        async def note(asker: OwnerId) -> None:
            await pillow.check(picture, asker=asker)
            over.append(asker)

        much, little = OwnerId("much"), OwnerId("little")
        await asyncio.gather(*(note(asker) for asker in (much, much, much, much, little)))
        assert over == [much, much, little, much, much]


class InABucket(MemorySpooled):
    """Says how many are being fetched, or wait here once they have been."""

    held = most = 0

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        InABucket.held += 1
        InABucket.most = max(InABucket.most, InABucket.held)
        async for block in super().blocks(wanted):
            yield block


async def test_of_pictures_in_a_bucket_few_are_here_at_once(spooled: Spooling) -> None:
    async with processor() as pillow:
        InABucket.held = InABucket.most = 0

        async def drawn() -> None:
            picture = InABucket()
            await picture.append(PICTURE)
            await pillow.draw(picture, [Box.SMALL])
            InABucket.held -= 1

        await asyncio.gather(*(drawn() for _ in range(9)))
        assert InABucket.most == 2


class Liar(Child):
    """One whose words come from the test."""

    def __init__(self, ours: socket.socket) -> None:
        ours.setblocking(False)
        self._socket = ours


@pytest.mark.parametrize(
    ("name", "boxes"), [(b"tiff", [100]), (b"\xff", [100]), (b"png", [1]), (b"png", []), (b"png", [100, 100])]
)
async def test_an_answer_that_makes_no_sense_is_none(name: bytes, boxes: list[int]) -> None:
    """A decoder with a hole may be somebody else's by now."""
    ours, its = socket.socketpair()
    with ours, its:
        child = Liar(ours)
        its.sendall(ANSWER.pack(Outcome.DONE, name, 1, 1, 0, len(boxes), 0))
        for box in boxes:
            its.sendall(DRAWING.pack(box, 1, 1, 1) + b"x")
        with pytest.raises(ValueError, match=r"PictureFormat|decode|drawings"):
            await child.carry_out(Order(Kind.DRAW, 1, (100,)), its.fileno())


async def test_one_whose_order_nobody_wants_any_more_is_ended(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(LARGE) as large, spooled(PICTURE) as picture:
        await pillow.look(picture)
        (process,) = children()
        drawing = asyncio.create_task(pillow.draw(large, list(Box)))
        await busy(process)
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        await wait_until(lambda: is_gone(process))
        assert (await pillow.look(picture)).width == 240


async def test_more_memory_than_one_may_have_costs_the_order_and_the_process(spooled: Spooling) -> None:
    async with processor(memory=100 * 1024**2) as pillow, spooled(LARGE) as large, spooled(PICTURE) as picture:
        await pillow.look(picture)
        (process,) = children()
        with pytest.raises(ProcessorUnavailable, match="memory"):
            await pillow.check(large)
        assert (await pillow.check(picture)).facts.width == 240
        assert process not in children()


@pytest.mark.parametrize("data", [LARGE, KEPT], ids=["large", "kept"])
async def test_what_was_taken_for_a_picture_is_given_back(spooled: Spooling, data: bytes) -> None:
    async with processor() as pillow, spooled(data) as picture:
        await pillow.look(picture)
        (process,) = children()
        before = process.memory_info().rss
        await pillow.check(picture)
        await wait_until(lambda: process.memory_info().rss - before < 16 * 1024**2)
        assert children() == [process]


async def test_an_order_under_way_fails_when_the_pool_is_closed(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(LARGE) as large:
        await pillow.look(large)
        (process,) = children()
        drawing = asyncio.create_task(pillow.draw(large, list(Box)))
        await busy(process)
        await pillow.close()
        with pytest.raises(ProcessorUnavailable):
            await drawing
        with pytest.raises(ProcessorUnavailable):
            await pillow.look(large)


async def test_they_run_after_whoever_waits_for_the_server(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(PICTURE) as picture:
        await pillow.look(picture)
        assert children()[0].nice() == 10


class SlowSpooled(MemorySpooled):
    """Takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.is_let = asyncio.Event(), asyncio.Event()

    async def append(self, data: bytes) -> None:
        self.is_asked.set()
        await self.is_let.wait()
        await super().append(data)


class FullSpooled(MemorySpooled):
    async def append(self, data: bytes) -> None:
        raise StorageFull("no room is left")


async def test_who_is_slow_to_take_what_an_edit_makes_gets_all_of_it_and_holds_up_no_one(spooled: Spooling) -> None:
    async with processor(processes=2) as pillow, spooled(NOISE) as noise, spooled(PICTURE) as picture:
        first, second = SlowSpooled(), SlowSpooled()
        edits = [asyncio.create_task(pillow.edit(noise, TO_PNG, into)) for into in (first, second)]
        await first.is_asked.wait()
        (editing,) = children()
        await wait_until(lambda: editing.status() == psutil.STATUS_SLEEPING)  # its socket is full
        assert (await pillow.check(picture)).facts.width == 240, "edits leave a process to those who wait"
        assert not second.is_asked.is_set()
        for into in (first, second):
            into.is_let.set()
        await asyncio.gather(*edits)
        assert first.size == second.size > 1024**2
        assert editing in children(), "it was ended by a signal that there is room again"


async def test_no_room_for_what_an_edit_makes_is_told_as_that(spooled: Spooling) -> None:
    async with processor() as pillow, spooled(NOISE) as noise, spooled(PICTURE) as picture:
        with pytest.raises(StorageFull):
            await pillow.edit(noise, TO_PNG, FullSpooled())
        assert (await pillow.look(picture)).width == 240


async def test_an_edit_that_hangs_is_ended(spooled: Spooling) -> None:
    async with processor(patience=Patience(edit=0.3)) as pillow, spooled(PICTURE) as picture:
        await pillow.look(picture)
        (process,) = children()
        process.suspend()
        with pytest.raises(ProcessorUnavailable, match="too long"):
            await pillow.edit(picture, TO_PNG, MemorySpooled())
        await wait_until(lambda: is_gone(process))
        assert (await pillow.look(picture)).width == 240


SERVER = """
import asyncio, sys
from adapters.outbound.pillow.processor import PillowProcessor
from domain.rendition import Box

class Picture:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.fd, self.size = self.file.fileno(), len(open(path, "rb").read())

async def main():
    pillow = PillowProcessor(max_pixels=80_000_000, processes=1)
    await pillow.look(Picture(sys.argv[1]))
    print("warm", flush=True)
    while True:
        await pillow.draw(Picture(sys.argv[1]), list(Box))

asyncio.run(main())
"""


async def test_they_end_with_their_server_even_in_the_middle_of_an_order(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(LARGE)
    told = [sys.executable, "-c", SERVER, str(tmp_path / "large.png")]
    server = await asyncio.create_subprocess_exec(*told, stdout=subprocess.PIPE)
    assert server.stdout and await server.stdout.readline() == b"warm\n"
    (process,) = children(server.pid)
    await busy(process)
    server.kill()
    await server.wait()
    await wait_until(lambda: is_gone(process), within=1.0)  # drawing all of it takes longer than that


async def test_a_picture_and_its_twins_look_alike_and_others_do_not(spooled: Spooling) -> None:
    async with processor() as pillow:

        async def dhash(data: bytes) -> int:
            async with spooled(data) as picture:
                return (await pillow.check(picture)).dhash

        first = await dhash(PICTURE)
        twins = [
            encoded(quarters(), PictureFormat.JPEG, quality=40),
            encoded(quarters(120, 80), PictureFormat.WEBP),
            encoded(quarters(), PictureFormat.HEIC),
        ]
        assert all([similar(first, await dhash(twin)) for twin in twins])
        assert not similar(first, await dhash(encoded(quarters().rotate(180), PictureFormat.PNG)))


async def test_a_jpeg_that_lacks_its_last_bytes_is_corrupted(spooled: Spooling) -> None:
    async with processor() as pillow:
        for options in ({}, {"progressive": True}, {"quality": 20}):
            async with spooled(encoded(quarters(640, 480), PictureFormat.JPEG, **options)[:-50]) as picture:
                with pytest.raises(PictureCorrupted):
                    await pillow.check(picture)
