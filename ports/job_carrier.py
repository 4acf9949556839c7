"""Tells workers, here and elsewhere, that there is something to do. Contract: tests/contract/test_job_carrier.py."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.ids import JobId


class JobCarrier(Protocol):
    """Moves news, never work: the job's row is the truth, and what is lost here is found there a few seconds later.

    So news may come twice, late, or of a job that is done: who claims the job finds out.
    """

    @abstractmethod
    def carry(self, job_id: JobId) -> None:
        """Pass the news on, once the job is committed; never waits, never raises."""

    @abstractmethod
    def news(self, seconds: float) -> AbstractAsyncContextManager[bool]:
        """Wait for news, no longer than that; whether some came. While the block lasts the caller is busy with it, and
        what comes meanwhile is for others who wait.

        Never raises: while the carrier is away none comes.
        """

    @abstractmethod
    async def check(self) -> None:
        """Return if news gets through now.

        Raises:
            Unavailable: it does not; the detail says why, for the log.
        """
