"""How workers hear of jobs, and who does these; the jobs themselves are rows of the database."""

from typing import Annotated, Literal

from dependency_injector import providers

from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from infrastructure.capability import Capability, Parts, Variables
from infrastructure.setting_values import within


class JobsVariables(Variables):
    jobs_url: Literal["database://"] = "database://"
    workers_inline: Annotated[int, within(0, 64)] = 1


class JobsParts(Parts):
    job_carrier = providers.Singleton(MemoryJobCarrier)


JOBS = Capability(
    variables=JobsVariables,
    parts=[JobsParts],
    # Jobs wait in the database, so their queue is there when it is.
    health=lambda parts: {"queue": parts.database},
)
