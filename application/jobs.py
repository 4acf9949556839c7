"""Work that is done later: who does which kind of it, and what an operator may ask of it. ``worker.py`` has it done."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from domain.ids import JobId
from domain.job import USUAL, Job, JobState, Schedule
from ports.audit import Audit
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = logging.getLogger(__name__)

NEGLECT = timedelta(minutes=5)
NEGLECTED = (
    "jobs wait, and nobody has done any for five minutes: is there a worker (WORKERS_INLINE, or starter.py worker)?"
)
_BATCH = 100


class JobHandler(Protocol):
    """Does jobs of one kind. To be inherited: most kinds are tried as usual, and at any time."""

    kind: str
    schedule: Schedule = USUAL

    def is_ready(self) -> bool:
        """Whether to begin one makes sense now; those of other kinds are not asked."""
        return True

    @abstractmethod
    async def run(self, job: Job) -> None:
        """Do it, and commit what came of it in one unit of work with ``work.jobs.remove(job)``: so what a worker that
        died had not committed is done again, and what it had is not.

        What can't be done at all is an outcome, too. Whatever is raised: it is tried again as ``schedule`` has it, or
        given up; JobFailed has a say in that. A worker that ends, or has lost the job to another one, cancels it.
        """

    @abstractmethod
    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        """It has failed for good, and is buried in this transaction. ``error``: for an operator to read."""

    @abstractmethod
    async def revived(self, work: UnitOfWork, job: Job) -> None:
        """It is to be tried again, and is revived in this transaction."""


class JobsUseCase:
    """What an operator asks."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, handlers: Iterable[JobHandler]) -> None:
        self._unit_of_work = unit_of_work
        self._handlers = {handler.kind: handler for handler in handlers}

    async def list(self, *, limit: int = 1000) -> Sequence[Job]:
        """The dead first, each the oldest first."""
        async with self._unit_of_work() as work:
            return [
                job
                for state in (JobState.DEAD, JobState.RUNNING, JobState.QUEUED)
                for job in await work.jobs.list(state, limit=limit)
            ][:limit]

    async def retry(self, job_id: JobId) -> Job:
        """Have a dead one done again.

        Raises:
            JobNotFound: there is no such job, or it is not dead.
        """
        async with self._unit_of_work() as work:
            job = await self._revive(work, job_id)
            await work.commit()
        return job

    async def retry_all(self, kind: str) -> int:
        """Have all dead ones of that kind, or of that family of kinds, done again; return how many there were."""
        count = 0
        while True:
            async with self._unit_of_work() as work:
                dead = await work.jobs.list(JobState.DEAD, kind=kind, limit=_BATCH)
                for job in dead:
                    await self._revive(work, job.id)
                await work.commit()
            count += len(dead)
            if len(dead) < _BATCH:
                return count

    async def _revive(self, work: UnitOfWork, job_id: JobId) -> Job:
        job = await work.jobs.revive(job_id)
        if handler := self._handlers.get(job.kind):
            await handler.revived(work, job)
        return job


class JobWatch:
    """For servers that do no jobs themselves: tells the log, once, that nobody does any."""

    def __init__(self, *, audit: Audit, clock: Clock, patience: timedelta = NEGLECT) -> None:
        self._audit = audit
        self._clock = clock
        self._patience = patience
        self._is_told = False

    async def look(self) -> int:
        """How many wait.

        Raises:
            RepositoryUnavailable
        """
        count = await self._audit.neglected_jobs(self._clock.now() - self._patience)
        if count and not self._is_told:
            log.warning("%d %s", count, NEGLECTED)
        self._is_told = count > 0
        return count
