"""What an operator looks at: logs, whether we are well, and what the doctor says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from dependency_injector import providers
from pydantic import BeforeValidator

from adapters.inbound.http.documents.documents import Documents
from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.operations.caller import CallerRoute
from adapters.inbound.http.operations.health import Health
from adapters.inbound.http.operations.metrics import MetricsRoute
from adapters.outbound.sql.census import SqlCensus
from application.doctor import DoctorUseCase
from application.health import HealthUseCase
from application.observing.observation import ObservationUseCase
from infrastructure import version
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.identity import IdentityParts
from infrastructure.capabilities.room import RoomParts
from infrastructure.capabilities.storage import StorageParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Measured, Parts, Variables, of
from infrastructure.chores import Chore
from infrastructure.setting_values import lower, upper
from infrastructure.supervision.figures import Figures
from ports.health import HealthCheck

_SHARE_SECONDS = 1.0


class OperationsVariables(Variables):
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(upper)] = "INFO"
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(lower)] = None


class OperationsParts(Parts):
    health_checks: providers.Dependency[Mapping[str, HealthCheck]] = providers.Dependency(instance_of=dict)
    """Those of all capabilities; ``infrastructure/container.py`` hands them in."""
    health = providers.Singleton(HealthUseCase, checks=health_checks, clock=SystemParts.clock, room=RoomParts.room)
    doctor = providers.Singleton(
        DoctorUseCase,
        medium=StorageParts.medium,
        audit=DatabaseParts.audit,
        clock=SystemParts.clock,
        spared=of.cleanup_after,
    )
    health_route = providers.Singleton(Health, health, WebParts.drain)
    caller_route = providers.Singleton(
        CallerRoute, IdentityParts.authenticator, CoreParts.policy, providers.Callable(version)
    )
    measured: providers.Dependency[Sequence[Measured]] = providers.Dependency(instance_of=list)
    """As ``health_checks``."""
    figures = providers.Singleton(Figures, measured, SystemParts.supervised)
    observation = providers.Singleton(
        ObservationUseCase,
        census=providers.Singleton(SqlCensus, DatabaseParts.database),
        health=health,
        room=RoomParts.room,
        clock=SystemParts.clock,
    )
    document_modules: providers.Dependency[Sequence[str]] = providers.Dependency(instance_of=list)
    """As ``health_checks``."""
    documents = providers.Singleton(Documents, document_modules, version=version(), base=of.public_url)
    metrics_route = providers.Singleton(
        MetricsRoute, observation, IdentityParts.authenticator, of.metrics_networks, figures.provided.families
    )


def _resources(parts: OperationsParts) -> Iterable[Resource]:
    yield from parts.health_route().resources()
    yield from parts.metrics_route().resources()
    yield from parts.caller_route().resources()
    yield from parts.documents().resources()


def _chores(parts: OperationsParts, _: OperationsVariables) -> Iterable[Chore]:
    if parts.supervised():
        yield Chore(work=parts.figures().share, seconds=_SHARE_SECONDS, at_once=True)


OPERATIONS = Capability(
    variables=OperationsVariables,
    parts=[OperationsParts],
    resources=_resources,
    chores=_chores,
    documents=[
        "adapters.inbound.http.operations.document",
        "adapters.inbound.http.documents.document",
        "infrastructure.observing.subjects",
    ],
)
