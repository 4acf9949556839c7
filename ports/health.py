"""Whether something we lean on is there. Contract: tests/contract/test_health.py."""

from abc import abstractmethod
from typing import Protocol


class HealthCheck(Protocol):
    @abstractmethod
    async def check(self) -> None:
        """Return if the service works now.

        Raises:
            Unavailable: it does not; the detail says why, for the log.
        """
