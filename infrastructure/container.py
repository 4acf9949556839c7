"""Who is made of what: the parts that the capabilities bring, in one container.

Everything here is made without waiting; ``startup.py`` starts what has to be started, and closes it again.
"""

from collections.abc import Sequence
from types import new_class

from dependency_injector import containers, providers

from application.observing.trace import remembering
from domain.job import JobsOf, nothing_to_do
from infrastructure.capabilities import CAPABILITIES
from infrastructure.settings import Settings

Container = containers.Container
"""As it is handed around: a part is made, once, by calling its name."""

# A capability comes after those that it builds on: in the order of inheritance it is the other way round.
_All: type[containers.DeclarativeContainer] = new_class(
    "_All", tuple(parts for capability in reversed(CAPABILITIES) for parts in capability.parts)
)


def container_of(settings: Settings) -> Container:
    container = _All(settings=settings)
    checks = {name: check for capability in CAPABILITIES for name, check in capability.health(container).items()}
    container.health_checks.override(providers.Dict(checks))
    container.job_handlers.override(
        providers.Callable(lambda: [job for capability in CAPABILITIES for job in capability.jobs(container)])
    )
    container.more_workers.override(
        providers.Singleton(lambda: [one for capability in CAPABILITIES for one in capability.workers(container)])
    )
    container.jobs_of.override(
        providers.Singleton(lambda: _together([capability.jobs_of(container) for capability in CAPABILITIES]))
    )
    container.measured.override(
        providers.Callable(lambda: [one for capability in CAPABILITIES for one in capability.measured(container)])
    )
    container.document_modules.override(
        providers.Object([name for capability in CAPABILITIES for name in capability.documents])
    )
    return container


def _together(asking: Sequence[JobsOf | None]) -> JobsOf:
    """Mostly nobody wants anything."""
    all_ = [jobs_of for jobs_of in asking if jobs_of is not None]
    if not all_:
        return nothing_to_do
    return remembering(lambda event: [job for jobs_of in all_ for job in jobs_of(event)])
