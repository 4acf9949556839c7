"""What is told of a server in figures, also while something that it leans on is away."""

from datetime import timedelta

import pytest

from adapters.outbound.memory.census import MemoryCensus
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.room import MemoryRoom
from application.health import HealthUseCase
from application.observing.observation import ObservationUseCase
from domain.census import Count
from domain.errors import RepositoryUnavailable, StorageFull
from domain.job import JobState
from ports.census import Census
from ports.room import Room
from tests.support.clock import StandingClock


class Away(Census):
    async def count(self) -> Count:
        raise RepositoryUnavailable("away")


class Webhooks(Census):
    """One kind of job for each receiver."""

    def __init__(self) -> None:
        self.asked = 0

    async def count(self) -> Count:
        self.asked += 1
        jobs = {("webhook:0a", JobState.QUEUED): 2, ("webhook:0b", JobState.QUEUED): 3, ("digest", JobState.DEAD): 1}
        return Count(uploads={}, files=0, file_bytes=0, jobs=jobs)


class Full(Room):
    async def check(self, size: int) -> int:
        raise StorageFull("full")


def observing(census: Census, clock: StandingClock, room: Room | None = None) -> ObservationUseCase:
    health = HealthUseCase(checks={}, clock=clock)
    return ObservationUseCase(census=census, health=health, room=room or MemoryRoom(), clock=clock)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


async def told(observation: ObservationUseCase) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in await observation.run()
    }


async def test_while_the_database_is_away_all_else_is_told(clock: StandingClock) -> None:
    families = await told(observing(Away(), clock))
    assert "longshore_files" not in families
    assert "longshore_service_up" in families


async def test_a_full_disk_has_no_room_and_one_without_end_is_not_told_of(clock: StandingClock) -> None:
    census = MemoryCensus(MemoryDatabase())
    assert (await told(observing(census, clock, Full())))["longshore_storage_room_bytes"] == {(): 0}
    assert "longshore_storage_room_bytes" not in await told(observing(census, clock))


async def test_receivers_are_no_labels(clock: StandingClock) -> None:
    jobs = (await told(observing(Webhooks(), clock)))["longshore_jobs"]
    assert jobs["webhook", "QUEUED"] == 5
    assert jobs["digest", "DEAD"] == 1
    assert len(jobs) == 6


async def test_the_database_is_not_asked_for_each_who_looks(clock: StandingClock) -> None:
    census = Webhooks()
    observation = observing(census, clock)
    for _ in range(3):
        await observation.run()
    assert census.asked == 1
    clock.pass_by(timedelta(seconds=6))
    await observation.run()
    assert census.asked == 2
