"""How a process grows over hours: its memory, descriptors and threads looked at now and then, a line laid through."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_BLOCKS = 24
_LEAST = 4


@dataclass(frozen=True, slots=True)
class Look:
    """Bytes; ``family``: with its children."""

    at: float
    memory: int
    family: int
    descriptors: int
    threads: int


def look_at(pid: int, at: float) -> Look:
    process = psutil.Process(pid)
    with process.oneshot():
        memory, descriptors, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
    family = memory
    for child in process.children(recursive=True):
        try:
            family += child.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return Look(at, memory, family, descriptors, threads)


@dataclass(frozen=True, slots=True)
class Slope:
    """In units an hour, with twice its standard error."""

    an_hour: float
    error: float


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Through the medians of stretches of time: an allocator's steps, and looks that resemble the one before, would
    make the error of all points look smaller than it is.
    """
    size = max(len(points) // _BLOCKS, 1)
    blocks = [points[at : at + size] for at in range(0, len(points), size)]
    xs = [statistics.median(x for x, _ in block) / 3600 for block in blocks]
    ys = [statistics.median(y for _, y in block) for block in blocks]
    if len(xs) < _LEAST:
        return Slope(0.0, math.inf)
    an_hour, start = statistics.linear_regression(xs, ys)
    rest = sum((y - start - an_hour * x) ** 2 for x, y in zip(xs, ys, strict=True))
    spread = sum((x - statistics.mean(xs)) ** 2 for x in xs)
    return Slope(an_hour, 2 * math.sqrt(rest / (len(xs) - 2) / spread))
