"""``python -m benchmarks.load.thumbnails HOW FILE SECONDS``: draws thumbnails of one photo again and again.

HOW: ``naive``, as Pillow's manual shows it, or a number: so many processes of ours; both at the same priority. Prints
one line of JSON: how many photos a second, milliseconds of CPU for each, and by how many MiB the largest process grew.
"""

import asyncio
import io
import json
import os
import sys
import time
from pathlib import Path

import pillow_heif
from PIL import Image

from adapters.outbound.pillow.processor import PillowProcessor
from adapters.outbound.system.spool import DiskSpool
from benchmarks.processes import cpu_seconds_of, family_of, memory_of
from domain.rendition import Box

_LEAST = 3
_NICENESS = 10
_MAX_PIXELS = 80_000_000


def main() -> None:
    how, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    found = _naive(path, seconds) if how == "naive" else asyncio.run(_ours(int(how), path, seconds))
    print(json.dumps(found))


def _naive(path: Path, seconds: float) -> dict[str, float]:
    pillow_heif.register_heif_opener()
    os.nice(_NICENESS)
    before = memory_of(os.getpid()).now
    _draw_naively(path)
    began, worked, count = time.perf_counter(), time.process_time(), 0
    while count < _LEAST or time.perf_counter() - began < seconds:
        _draw_naively(path)
        count += 1
    worked = time.process_time() - worked
    return _figures(count, time.perf_counter() - began, worked, memory_of(os.getpid()).peak - before)


def _draw_naively(path: Path) -> None:
    with Image.open(path) as image:
        for box in Box:
            thumbnail = image.copy()
            thumbnail.thumbnail((box, box))
            thumbnail.save(io.BytesIO(), "JPEG", quality=82)


async def _ours(processes: int, path: Path, seconds: float) -> dict[str, float]:
    pillow = PillowProcessor(max_pixels=_MAX_PIXELS, processes=processes)
    async with DiskSpool(path.parent).open() as photo:
        await photo.append(await asyncio.to_thread(path.read_bytes))
        await asyncio.gather(*(pillow.look(photo) for _ in range(2 * processes)))
        children = family_of(os.getpid())[1:]
        before = min(memory_of(pid).now for pid in children)
        await pillow.draw(photo, list(Box))
        began, worked, count = time.perf_counter(), sum(map(cpu_seconds_of, children)), 0

        async def draw() -> None:
            nonlocal count
            while count < _LEAST * processes or time.perf_counter() - began < seconds:
                await pillow.draw(photo, list(Box))
                count += 1

        await asyncio.gather(*(draw() for _ in range(processes)))
        took, worked = time.perf_counter() - began, sum(map(cpu_seconds_of, children)) - worked
        growth = max(memory_of(pid).peak for pid in children) - before
    await pillow.close()
    return _figures(count, took, worked, growth)


def _figures(count: int, took: float, worked: float, growth: int) -> dict[str, float]:
    return {"per_second": count / took, "cpu_ms_each": worked / count * 1e3, "growth_mib": growth / 1024**2}


if __name__ == "__main__":
    main()
