"""Who does the jobs: workers within the server, or those of ``starter.py worker``."""

from collections.abc import Iterable

from dependency_injector import providers

from application.jobs import JobHandler, JobsUseCase, JobWatch
from application.worker import Worker
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.jobs import JobsParts, JobsVariables
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import Capability, Parts, of
from infrastructure.chores import Chore

_LOOK_SECONDS = 1.0
_LOOK_SECONDS_WITH_BROKER = 5.0
_AGAIN_SECONDS = 5.0
_WATCH_SECONDS = 300.0


class WorkersParts(Parts):
    job_handlers: providers.Dependency[list[JobHandler]] = providers.Dependency(instance_of=list)
    """Those of all capabilities; ``infrastructure/container.py`` hands them in."""
    more_workers: providers.Dependency[list[Worker]] = providers.Dependency(instance_of=list)
    """As well."""
    jobs = providers.Singleton(JobsUseCase, unit_of_work=EventsParts.unit_of_work, handlers=job_handlers)
    job_watch = providers.Singleton(JobWatch, audit=DatabaseParts.audit, clock=SystemParts.clock)
    worker = providers.Singleton(
        Worker,
        unit_of_work=EventsParts.unit_of_work,
        carrier=JobsParts.job_carrier,
        ids=SystemParts.ids,
        handlers=job_handlers,
        slots=of.workers_inline,
        metrics=ObservingParts.metrics,
        tracer=ObservingParts.tracer,
        idle_seconds=providers.Callable(
            lambda carrying: _LOOK_SECONDS if carrying == "database" else _LOOK_SECONDS_WITH_BROKER, JobsParts.carrying
        ),
    )


def _chores(parts: WorkersParts, settings: JobsVariables) -> Iterable[Chore]:
    if settings.workers_inline:
        for worker in (parts.worker(), *parts.more_workers()):
            yield Chore(work=worker.run, seconds=_AGAIN_SECONDS, at_once=True)
    else:
        yield Chore(work=parts.job_watch().look, seconds=_WATCH_SECONDS, at_once=True)


WORKERS = Capability(parts=[WorkersParts], chores=_chores)
