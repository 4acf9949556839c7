"""Jobs in memory. Contract: tests/contract/test_job_queue.py."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.outbound.memory.uploads import Changes
from domain.errors import JobNotFound, JobTakenOver
from domain.ids import JobId
from domain.job import Job, JobState, family_of
from ports.job_queue import JobQueue


class MemoryJobQueue(JobQueue):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.added: list[JobId] = []
        """What workers are to be told of after the commit."""

    async def add(self, job: Job) -> None:
        if self._changes.job(job.id) is None:
            self._changes.jobs[job.id] = replace(job, due_at=_in(0))
            self.added.append(job.id)

    async def claim(self, kinds: Collection[str], *, token: str, lease_seconds: float) -> Job | None:
        due = [
            job
            for job in self._changes.all_jobs()
            if job.state is not JobState.DEAD and job.due_at <= _in(0) and job.kind in kinds
        ]
        if not due:
            return None
        first = min(due, key=lambda job: (job.due_at, job.id))
        return self._keep(
            replace(first, state=JobState.RUNNING, attempts=first.attempts + 1, token=token, due_at=_in(lease_seconds))
        )

    async def renew(self, job: Job, *, lease_seconds: float) -> bool:
        if not self._is_held(job):
            return False
        self._keep(replace(job, due_at=_in(lease_seconds)))
        return True

    async def remove(self, job: Job) -> None:
        self._check_held(job)
        self._changes.jobs[job.id] = None

    async def put_back(self, job: Job, *, seconds: float, error: str, counts: bool = True) -> None:
        self._check_held(job)
        attempts = job.attempts if counts else job.attempts - 1
        self._keep(replace(job, state=JobState.QUEUED, attempts=attempts, token="", due_at=_in(seconds), error=error))

    async def bury(self, job: Job, *, error: str) -> None:
        self._check_held(job)
        self._keep(replace(job, state=JobState.DEAD, token="", error=error))

    async def revive(self, job_id: JobId) -> Job:
        job = self._changes.job(job_id)
        if job is None or job.state is not JobState.DEAD:
            raise JobNotFound("no dead job has this id")
        self.added.append(job_id)
        return self._keep(replace(job, state=JobState.QUEUED, attempts=0, due_at=_in(0)))

    async def list(self, state: JobState | None = None, *, kind: str | None = None, limit: int) -> Sequence[Job]:
        wanted = [
            job
            for job in self._changes.all_jobs()
            if state in (None, job.state) and kind in (None, job.kind, family_of(job.kind))
        ]
        return sorted(wanted, key=lambda job: (job.created_at, job.id))[:limit]

    async def count(self) -> Mapping[JobState, int]:
        return Counter(job.state for job in self._changes.all_jobs())

    async def forget_old(self, family: str, *, before: datetime, limit: int) -> int:
        old = [
            job
            for job in self._changes.all_jobs()
            if job.kind.startswith(family) and job.created_at < before and job.state is not JobState.RUNNING
        ][:limit]
        for job in old:
            self._changes.jobs[job.id] = None
        return len(old)

    async def forget(self, kind: str, subject: str) -> None:
        for job in self._changes.all_jobs():
            if (job.kind, job.subject) == (kind, subject) and job.state is not JobState.RUNNING:
                self._changes.jobs[job.id] = None

    def _keep(self, job: Job) -> Job:
        self._changes.jobs[job.id] = job
        return job

    def _is_held(self, job: Job) -> bool:
        known = self._changes.job(job.id)
        return known is not None and (known.state, known.token) == (JobState.RUNNING, job.token)

    def _check_held(self, job: Job) -> None:
        if not self._is_held(job):
            raise JobTakenOver("another worker has the job")


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
