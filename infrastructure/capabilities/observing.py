"""What is told and counted of all that goes on: the access log, metrics."""

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.auth import IpNetwork
from adapters.inbound.common.visits import Observer
from adapters.inbound.http.operations.request_measures import RequestMeasures
from adapters.outbound.memory.metrics import MemoryMetrics
from infrastructure.capabilities.system import parse_listening_host
from infrastructure.capability import Capability, Measured, Parts, Variables, of
from infrastructure.chores import Chore
from infrastructure.observing.access_log import AccessLog
from infrastructure.observing.process_measures import LoopLag, process_families
from infrastructure.setting_values import Flag, Listed, OrNone, networks, within

_LAG_SECONDS = 0.5


class ObservingVariables(Variables):
    log_access: Flag = True
    metrics_networks: Annotated[Listed[IpNetwork], BeforeValidator(networks)] = ()
    worker_metrics_host: Annotated[str, AfterValidator(parse_listening_host)] = "127.0.0.1"
    worker_metrics_port: OrNone[Annotated[int, within(1, 65535)]] = None


def _is_for_people(log_format: Literal["console", "json"] | None) -> bool:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return (log_format or ("console" if is_terminal else "json")) == "console"


def _observers(access_log: AccessLog, measures: RequestMeasures, *, log_access: bool) -> Sequence[Observer]:
    return [measures.observe, access_log.tell] if log_access else [measures.observe]


class ObservingParts(Parts):
    access_log = providers.Singleton(
        AccessLog,
        as_console=providers.Callable(_is_for_people, of.log_format),
        is_shared=providers.Callable(bool, of.processes),
    )
    metrics = providers.Singleton(MemoryMetrics)
    request_measures = providers.Singleton(RequestMeasures)
    loop_lag = providers.Singleton(LoopLag)
    observers = providers.Callable(_observers, access_log, request_measures, log_access=of.log_access)


@asynccontextmanager
async def _opened(parts: ObservingParts, _: ObservingVariables) -> AsyncIterator[None]:
    yield
    await parts.access_log().close()


def _chores(parts: ObservingParts, _: ObservingVariables) -> Iterable[Chore]:
    lag = parts.loop_lag()
    yield Chore(work=lag.rest, seconds=_LAG_SECONDS, pause=lag.pause)


def _measured(parts: ObservingParts) -> Iterable[Measured]:
    yield process_families
    yield parts.loop_lag().families
    yield parts.request_measures().families
    yield parts.metrics().families


OBSERVING = Capability(
    variables=ObservingVariables, parts=[ObservingParts], opened=_opened, chores=_chores, measured=_measured
)
