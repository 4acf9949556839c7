"""Says whether the services we lean on are there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.errors import LongshoreError
from ports.clock import Clock
from ports.health import HealthCheck


@dataclass(frozen=True, slots=True)
class Health:
    services: Mapping[str, bool]
    time: datetime

    @property
    def is_healthy(self) -> bool:
        return all(self.services.values())


class HealthUseCase:
    def __init__(self, *, checks: Mapping[str, HealthCheck], clock: Clock, patience_seconds: float = 3) -> None:
        self._checks = checks
        self._clock = clock
        self._patience_seconds = patience_seconds

    async def run(self) -> Health:
        """Ask every service at once; one that does not answer in time counts as away."""
        answers = await asyncio.gather(*(self._answers(check) for check in self._checks.values()))
        return Health(dict(zip(self._checks, answers, strict=True)), self._clock.now())

    async def _answers(self, check: HealthCheck) -> bool:
        try:
            async with asyncio.timeout(self._patience_seconds):
                await check.check()
        except (LongshoreError, TimeoutError):
            return False
        return True
