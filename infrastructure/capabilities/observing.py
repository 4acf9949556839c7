"""What is told and counted of all that goes on: the access log, metrics, spans."""

import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.auth import IpNetwork
from adapters.inbound.common.visits import Observer
from adapters.inbound.http.operations.request_measures import RequestMeasures
from adapters.outbound.memory.metrics import MemoryMetrics
from application.observing.untraced import UNTRACED
from infrastructure import version
from infrastructure.capabilities.system import parse_listening_host
from infrastructure.capability import CannotStart, Capability, Measured, Parts, Variables, late, of
from infrastructure.chores import Chore
from infrastructure.observing.access_log import AccessLog
from infrastructure.observing.process_measures import LoopLag, process_families
from infrastructure.observing.spans import telling
from infrastructure.setting_values import Flag, Listed, OrNone, is_web_address, networks, within
from ports.tracer import Tracer

_LAG_SECONDS = 0.5
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def _collector(url: str) -> str:
    if url and not is_web_address(url):
        raise ValueError("allowed: a collector's address for OTLP over HTTP, such as http://localhost:4318")
    return url


class ObservingVariables(Variables):
    log_access: Flag = True
    metrics_networks: Annotated[Listed[IpNetwork], BeforeValidator(networks)] = ()
    worker_metrics_host: Annotated[str, AfterValidator(parse_listening_host)] = "127.0.0.1"
    worker_metrics_port: OrNone[Annotated[int, within(1, 65535)]] = None
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_collector)] = ""

    @property
    def tracing(self) -> str:
        return "traced" if self.otel_exporter_otlp_endpoint else "untraced"


def _is_for_people(log_format: Literal["console", "json"] | None) -> bool:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return (log_format or ("console" if is_terminal else "json")) == "console"


def _observers(
    access_log: AccessLog, measures: RequestMeasures, tracer: Tracer, *, log_access: bool
) -> Sequence[Observer]:
    logged = [access_log.tell] if log_access else []
    return [measures.observe, *logged, *([] if tracer is UNTRACED else [telling(tracer)])]


class ObservingParts(Parts):
    access_log = providers.Singleton(
        AccessLog,
        as_console=providers.Callable(_is_for_people, of.log_format),
        is_shared=providers.Callable(bool, of.processes),
    )
    metrics = providers.Singleton(MemoryMetrics)
    request_measures = providers.Singleton(RequestMeasures)
    loop_lag = providers.Singleton(LoopLag)
    tracer = providers.Selector(
        of.tracing,
        untraced=providers.Object(UNTRACED),
        traced=providers.Singleton(late("adapters.outbound.opentelemetry.tracer", "OpenTelemetryTracer"), version()),
    )
    observers = providers.Callable(_observers, access_log, request_measures, tracer, log_access=of.log_access)


@asynccontextmanager
async def _opened(parts: ObservingParts, settings: ObservingVariables) -> AsyncIterator[None]:
    tracer = _tracer(parts, settings.otel_exporter_otlp_endpoint) if settings.otel_exporter_otlp_endpoint else None
    try:
        yield
    finally:
        await parts.access_log().close()
        if tracer is not None:
            await tracer.close()


def _tracer(parts: ObservingParts, endpoint: str) -> Any:  # noqa: ANN401 -- its class is loaded late
    os.environ[_ENDPOINT] = endpoint  # the SDK reads its variables itself; this one may be of our .env
    try:
        return parts.tracer()
    except ModuleNotFoundError as error:
        how = "make otel, or pip install longshore[otel]"
        raise CannotStart(f"{_ENDPOINT}: it needs the package {error.name}: {how}") from error
    except ValueError as error:  # of another of its variables
        raise CannotStart(f"{_ENDPOINT}: what OTEL_… says is not possible: {error}") from error


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
