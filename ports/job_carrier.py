"""Tells workers, here and elsewhere, that there is something to do. Contract: tests/contract/test_job_carrier.py."""

from abc import abstractmethod
from typing import Protocol

from domain.ids import JobId


class Carried(Protocol):
    """The news of one job. It may come twice, late, or of a job that is done: who claims the job finds out."""

    job_id: JobId | None
    """None: of some job."""

    @abstractmethod
    async def settle(self) -> None:
        """It has been seen to, and need not come again; never raises."""

    @abstractmethod
    async def keep(self) -> None:
        """It is being seen to: not to be told to another worker yet; never raises."""


class JobCarrier(Protocol):
    """Moves ids, never work: the job's row is the truth, and what is lost here is found there a few seconds later."""

    @abstractmethod
    def carry(self, job_id: JobId) -> None:
        """Pass the news on, once the job is committed; never waits, never raises."""

    @abstractmethod
    async def next(self, seconds: float) -> Carried | None:
        """Wait for news, no longer than that; never raises: while the carrier is away none comes."""
