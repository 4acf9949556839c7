"""``starter.py worker`` with jobs of the tests' own, and little patience. What a job does, its subject says.

quick …    what comes of it is one upload that is watched under its subject: so it is counted how often it was done
hang …     the first attempt never ends
poison …   fails for as long as there is a file ``poison`` in the data folder
"""

import asyncio
import sys
from collections.abc import Iterable

from application.jobs import JobHandler
from domain.errors import ProcessorUnavailable
from domain.job import Job, Schedule
from infrastructure.container import Container
from infrastructure.logging import configure_logging
from infrastructure.setting_sources import load_settings
from infrastructure.worker import run
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from tests.support.builders import an_upload

KIND = "test"
PATIENCE = {"idle_seconds": 0.2, "lease_seconds": 1.0, "outage_seconds": 0.2}
_QUICK_SECONDS = 0.005


class Handler(JobHandler):
    kind = KIND
    schedule = Schedule((0.05, 0.1))

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work
        self._poison = load_settings().data_dir / "poison"

    async def run(self, job: Job) -> None:
        print(f"begun {job.subject}", flush=True)
        if job.subject.startswith("hang") and job.attempts == 1:
            await asyncio.sleep(600)
        if job.subject.startswith("poison") and self._poison.exists():
            raise ProcessorUnavailable("it is poisoned")
        await asyncio.sleep(_QUICK_SECONDS)
        async with self._unit_of_work() as work:
            await work.uploads.add(an_upload(watch_id=job.subject))
            await work.jobs.remove(job)
            await work.commit()

    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        await work.uploads.add(an_upload(watch_id=f"given up {job.subject}"))

    async def revived(self, work: UnitOfWork, job: Job) -> None:
        pass


def _handlers(container: Container) -> Iterable[JobHandler]:
    yield Handler(container.unit_of_work())


def main() -> int:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return run(settings, slots=2, handlers=_handlers, patience=PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
