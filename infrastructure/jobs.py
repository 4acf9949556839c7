"""``starter.py jobs``: what an operator sees of jobs and may do to them, beside whatever servers and workers run."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.ids import JobId
from domain.job import Job
from infrastructure.capabilities.database import DATABASE
from infrastructure.capabilities.events import EVENTS
from infrastructure.capabilities.jobs import JOBS
from infrastructure.capabilities.system import SYSTEM
from infrastructure.settings import Settings
from infrastructure.startup import started

_ERROR_LETTERS = 200


async def list_jobs(settings: Settings) -> Sequence[str]:
    """Id, kind, subject, state, attempts, age and error of each, between tabs."""
    async with started(settings, (SYSTEM, DATABASE)) as container:
        now = container.clock().now()
        return [_line(job, now) for job in await container.jobs().list()] or ["there are no jobs"]


async def retry_job(settings: Settings, job_id: JobId) -> Sequence[str]:
    """Raises:
    JobNotFound: there is no such job, or it is not dead.
    """
    async with started(settings, (SYSTEM, DATABASE, JOBS, EVENTS)) as container:
        job = await container.jobs().retry(job_id)
    return [f"{job.id} will be tried again"]


def _line(job: Job, now: datetime) -> str:
    age = timedelta(seconds=round((now - job.created_at).total_seconds()))
    error = " ".join(job.error.split())[:_ERROR_LETTERS]
    return "\t".join((job.id, job.kind, job.subject, job.state, str(job.attempts), str(age), error)).rstrip()
