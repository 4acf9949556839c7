"""Jobs that wait, are under way, or have failed for good: rows, so that nothing is forgotten.
Contract: tests/contract/test_job_queue.py."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import JobId
from domain.job import Job, JobState


class JobQueue(Protocol):
    """Part of a unit of work: a job is there if, and only if, the change that asks for it is.

    Who claims one has it for a while, under a token of their own; ``renew`` it, or another worker takes it over. Times
    are the database's where there are several machines.
    """

    @abstractmethod
    async def add(self, job: Job) -> None:
        """Have it done as soon as may be; nothing happens if one of its id is kept already. Workers are told after the
        commit."""

    @abstractmethod
    async def claim(self, kinds: Collection[str], *, token: str, lease_seconds: float) -> Job | None:
        """Of these ``kinds`` the job that has been due the longest, with one attempt more; None if there is none. Due
        is a queued one whose time has come, and a running one whose lease has run out.

        At the commit it is the caller's and nobody else's. To find nothing costs no write.
        """

    @abstractmethod
    async def renew(self, job: Job, *, lease_seconds: float) -> bool:
        """Whether it still is the caller's; then it is so for that long from now on."""

    @abstractmethod
    async def remove(self, job: Job) -> None:
        """It is done.

        Raises:
            JobTakenOver: it is not the caller's any more; what was to be committed with this must not be.
        """

    @abstractmethod
    async def put_back(self, job: Job, *, seconds: float, error: str, counts: bool = True) -> None:
        """It is not done, and is due again after so many seconds. ``counts``: False if that was not its own fault; then
        this attempt was none.

        Raises:
            JobTakenOver
        """

    @abstractmethod
    async def bury(self, job: Job, *, error: str) -> None:
        """It failed for good: nobody does it until it is revived.

        Raises:
            JobTakenOver
        """

    @abstractmethod
    async def revive(self, job_id: JobId) -> Job:
        """Have a dead one done again, as if it were new; workers are told after the commit.

        Raises:
            JobNotFound: there is no such job, or it is not dead.
        """

    @abstractmethod
    async def list(self, state: JobState | None = None, *, kind: str | None = None, limit: int) -> Sequence[Job]:
        """The oldest first. ``kind``: of that one, or of all that are of this family (``webhook``: ``webhook:…``)."""

    @abstractmethod
    async def count(self) -> Mapping[JobState, int]:
        """How many there are in each state."""

    @abstractmethod
    async def forget_old(self, family: str, *, before: datetime, limit: int) -> int:
        """Remove those whose kind begins with ``family``, added ``before`` then, done or not; but for those under way.
        Return how many."""

    @abstractmethod
    async def forget(self, kind: str, subject: str) -> None:
        """Remove what there is to be done to ``subject``, which is gone; one that is under way its worker removes."""
