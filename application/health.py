"""Says whether the services we lean on are there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.errors import LongshoreError, StorageFull
from ports.clock import Clock
from ports.health import HealthCheck
from ports.room import Room


@dataclass(frozen=True, slots=True)
class Health:
    services: Mapping[str, bool]
    time: datetime
    is_full: bool = False
    """No bytes are taken; all else goes on, so this is well."""

    @property
    def is_healthy(self) -> bool:
        return all(self.services.values())


class HealthUseCase:
    def __init__(
        self,
        *,
        checks: Mapping[str, HealthCheck],
        clock: Clock,
        room: Room | None = None,
        patience_seconds: float = 3,
    ) -> None:
        self._checks = checks
        self._clock = clock
        self._room = room
        self._patience_seconds = patience_seconds

    async def run(self) -> Health:
        """Ask every service at once; one that does not answer in time counts as away."""
        *answers, is_full = await asyncio.gather(
            *(self._answers(check) for check in self._checks.values()), self._is_full()
        )
        return Health(dict(zip(self._checks, answers, strict=True)), self._clock.now(), is_full)

    async def _answers(self, check: HealthCheck) -> bool:
        try:
            async with asyncio.timeout(self._patience_seconds):
                await check.check()
        except (LongshoreError, TimeoutError):
            return False
        return True

    async def _is_full(self) -> bool:
        try:
            async with asyncio.timeout(self._patience_seconds):
                if self._room is not None:
                    await self._room.check(0)
        except StorageFull:
            return True
        except TimeoutError:
            pass  # what is away is told by its own check
        return False
