"""What the machine says of this process, and how long its event loop lets others wait."""

import asyncio
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.measures import Family, Histogram, Kind, Sample, gauge
from infrastructure import version

_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_STARTED = time.time()
_STAT, _DESCRIPTORS = Path("/proc/self/stat"), Path("/proc/self/fd")


class LoopLag:
    """How much later than it wanted to the loop does what it has to do: that much later is everything."""

    def __init__(self) -> None:
        self._lag = Histogram(
            "longshore_event_loop_lag_seconds", "How late the event loop was, asked twice a second.", _LAG_SECONDS
        )

    async def pause(self, seconds: float) -> None:
        due = time.perf_counter() + seconds  # the loop's own clock stands still while it is busy
        await asyncio.sleep(seconds)
        self._lag.observe(max(0.0, time.perf_counter() - due))

    async def rest(self) -> None:
        """What there is to do between two looks."""

    def families(self) -> Sequence[Family]:
        return [self._lag.family()]


def process_families() -> Sequence[Family]:
    """By the names that all exporters have for them."""
    return list(_families())


def _families() -> Iterator[Family]:
    yield Family("longshore_build_info", Kind.GAUGE, "Which version runs.", [Sample(1, {"version": version()})])
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = Sample(used.ru_utime + used.ru_stime, {})
    yield Family("process_cpu_seconds_total", Kind.COUNTER, "CPU time of this process alone.", [cpu])
    yield gauge("process_start_time_seconds", "When it started, since the epoch.", round(_STARTED, 2))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        yield gauge("process_max_fds", "How many descriptors it may have.", soft)
    if sys.platform == "linux":
        stat = _STAT.read_text().rpartition(") ")[2].split()  # proc_pid_stat(5): from the third field on
        yield gauge("process_virtual_memory_bytes", "Its address space.", int(stat[20]))
        yield gauge("process_resident_memory_bytes", "What of it is in memory.", int(stat[21]) * resource.getpagesize())
        yield gauge("process_open_fds", "How many descriptors it has.", len(list(_DESCRIPTORS.iterdir())))
