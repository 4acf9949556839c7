"""``starter.py jobs``: what an operator sees of jobs and may do to them, beside whatever servers and workers run."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from application.jobs import JobsUseCase
from domain.ids import parse_job_id
from domain.job import Job
from domain.webhook import DELIVERY, Webhooks
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
        names = _names_of(container.webhooks())
        return [_line(job, now, names) for job in await container.jobs().list()] or ["there are no jobs"]


async def retry_jobs(settings: Settings, which: str) -> Sequence[str]:
    """``which``: an id, or a kind or a family of kinds for all of it, also as ``list_jobs`` names it.

    Raises:
        JobNotFound: there is no such job, or it is not dead.
    """
    async with started(settings, (SYSTEM, DATABASE, JOBS, EVENTS)) as container:
        jobs: JobsUseCase = container.jobs()
        named = [kind for kind, name in _names_of(container.webhooks()).items() if name == which]
        count = sum([await jobs.retry_all(kind) for kind in named or [which]])
        if not count:
            await jobs.retry(parse_job_id(which))
    return [f"{count} will be tried again" if count else f"{which} will be tried again"]


def _names_of(webhooks: Webhooks) -> Mapping[str, str]:
    """Of the kinds that deliver to receivers: by the host, which says more than a hash."""
    return {endpoint.kind: f"{DELIVERY}{endpoint.host}" for endpoint in webhooks.endpoints}


def _line(job: Job, now: datetime, names: Mapping[str, str]) -> str:
    age = timedelta(seconds=round((now - job.created_at).total_seconds()))
    error = " ".join(job.error.split())[:_ERROR_LETTERS]
    return "\t".join(
        (job.id, names.get(job.kind, job.kind), job.subject, job.state, str(job.attempts), str(age), error)
    ).rstrip()
