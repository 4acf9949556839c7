"""Health: who is asked, how long an answer may take, and what counts as away."""

import asyncio
import time

import pytest

from adapters.outbound.memory.room import MemoryRoom
from adapters.outbound.memory.storage import MemoryBlobStorage, MemoryBytes
from application.health import HealthUseCase
from domain.errors import LongshoreError, RepositoryUnavailable, StorageFull, StorageUnavailable
from ports.health import HealthCheck
from ports.room import Room
from tests.support.builders import NOW
from tests.support.clock import StandingClock


class Failing(HealthCheck):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def check(self) -> None:
        raise self._error


class Silent(HealthCheck):
    was_given_up = False

    async def check(self) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.was_given_up = True
            raise


FINE = MemoryBlobStorage(MemoryBytes())


async def test_a_server_whose_services_answer_is_healthy() -> None:
    found = await HealthUseCase(checks={"database": FINE, "storage": FINE}, clock=StandingClock()).run()
    assert (found.is_healthy, found.services, found.time) == (True, {"database": True, "storage": True}, NOW)


@pytest.mark.parametrize("error", [RepositoryUnavailable("away"), StorageFull(), StorageUnavailable()])
async def test_one_service_that_is_away_is_named(error: LongshoreError) -> None:
    checks = {"database": Failing(error), "storage": FINE}
    found = await HealthUseCase(checks=checks, clock=StandingClock()).run()
    assert (found.is_healthy, found.services) == (False, {"database": False, "storage": True})


class FullRoom(Room):
    async def check(self, size: int) -> int:
        raise StorageFull


async def test_a_full_disk_is_told_and_is_well() -> None:
    found = await HealthUseCase(checks={"storage": FINE}, clock=StandingClock(), room=FullRoom()).run()
    assert (found.is_healthy, found.is_full, found.services) == (True, True, {"storage": True})
    found = await HealthUseCase(checks={"storage": FINE}, clock=StandingClock(), room=MemoryRoom()).run()
    assert not found.is_full


async def test_services_that_do_not_answer_count_as_away_and_are_asked_at_once() -> None:
    silent = [Silent(), Silent(), Silent()]
    checks = {str(number): check for number, check in enumerate(silent)}
    begun = time.monotonic()
    health = HealthUseCase(checks={**checks, "storage": FINE}, clock=StandingClock(), patience_seconds=0.1)
    found = await health.run()
    assert time.monotonic() - begun < 0.25
    assert found.services == {"0": False, "1": False, "2": False, "storage": True}
    assert all(check.was_given_up for check in silent)
