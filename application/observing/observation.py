"""What whoever watches over a server wants to know of what it leans on, in figures."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from application.health import HealthUseCase
from domain.census import Count
from domain.errors import LongshoreError, StorageFull
from domain.job import JobState, family_of
from domain.measures import Family, Kind, Sample, gauge, gauges
from domain.size import MAX_SIZE
from domain.upload_state import OPEN_STATES
from ports.census import Census
from ports.clock import Clock
from ports.room import Room

_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)


class ObservationUseCase:
    """``fresh_seconds``: how long what the database said goes for new. ``patience_seconds``: how long it may take to
    say so; what is away then is missing, and all else is told."""

    def __init__(
        self,
        *,
        census: Census,
        health: HealthUseCase,
        room: Room,
        clock: Clock,
        fresh_seconds: float = 5.0,
        patience_seconds: float = 3.0,
    ) -> None:
        self._census = census
        self._health = health
        self._room = room
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._patience_seconds = patience_seconds
        self._counted: Count | None = None
        self._counted_at = float("-inf")
        self._counting = asyncio.Lock()

    async def run(self) -> Sequence[Family]:
        health, count, room = await asyncio.gather(self._health.run(), self._count(), self._left())
        services = {name: float(is_there) for name, is_there in health.services.items()}
        families = [gauges("longshore_service_up", "Whether what the server leans on is there.", "service", services)]
        if room is not None:
            families.append(gauge("longshore_storage_room_bytes", "What may still come until bytes are refused.", room))
        return families if count is None else [*families, *_told(count)]

    async def _count(self) -> Count | None:
        """One asks for all who come at the same time."""
        try:
            async with asyncio.timeout(self._patience_seconds), self._counting:
                if self._clock.monotonic() - self._counted_at >= self._fresh_seconds:
                    self._counted = await self._census.count()
                    self._counted_at = self._clock.monotonic()
        except (LongshoreError, TimeoutError):
            return None
        return self._counted

    async def _left(self) -> int | None:
        """None: nobody knows, as of a bucket."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                left = await self._room.check(0)
        except StorageFull:
            return 0
        except TimeoutError:
            return None
        return left if left < MAX_SIZE else None


def _told(count: Count) -> Sequence[Family]:
    open_uploads = {state.value: float(count.uploads.get(state, 0)) for state in sorted(OPEN_STATES)}
    by_family = Counter[tuple[str, JobState]]()
    for (kind, state), number in count.jobs.items():
        by_family[family_of(kind), state] += number
    jobs = [
        Sample(by_family[kind, state], {"kind": kind, "state": state.value})
        for kind in sorted({kind for kind, _ in by_family})
        for state in _STATES
    ]
    return [
        gauges("longshore_uploads", "Uploads under way, in the whole database.", "state", open_uploads),
        gauge("longshore_files", "Stored files, in the whole database.", count.files),
        gauge("longshore_files_bytes", "What they hold; files that share their bytes count each.", count.file_bytes),
        Family("longshore_jobs", Kind.GAUGE, "Jobs that wait, run or have failed for good (DEAD).", jobs),
    ]
