"""How workers hear of jobs. The jobs themselves are rows of the database, whoever carries the news of them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from dependency_injector import providers
from pydantic import AfterValidator, Field

from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from infrastructure.capability import AllParts, CannotStart, Capability, Parts, Variables, late, of
from infrastructure.setting_values import within
from ports.health import HealthCheck

NATS = "nats"
RABBITMQ = "rabbitmq"
_BROKERS = {"nats": NATS, "tls": NATS, "amqp": RABBITMQ, "amqps": RABBITMQ}
"""By the scheme of a URL; the names are those that /health tells, and of the extras that bring what they need."""
_DATABASE = "database"
_ALLOWED = "allowed: database://, nats://user:password@host:4222 or amqp://user:password@host:5672/vhost"


def broker_of(url: str) -> str | None:
    """Whose URL it is; None: nobody's, or not one that can be connected to."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    broker = _BROKERS.get(parts.scheme)
    return broker if is_whole and (broker != NATS or _is_bare(parts)) else None


def _is_bare(parts: SplitResult) -> bool:
    return not (parts.path.strip("/") or parts.query or parts.fragment)


def made(part: providers.Provider[Any], *, variable: str, broker: str) -> Any:  # noqa: ANN401 -- whatever it makes
    """The part that speaks to it.

    Raises:
        CannotStart: its package is not installed.
    """
    try:
        return part()
    except ModuleNotFoundError as error:
        how = f"make brokers, or pip install longshore[{broker}]"
        raise CannotStart(f"{variable}: it needs the package {error.name}: {how}") from error


def _jobs_url(text: str) -> str:
    text = text.strip()
    if broker_of(text) is None and text != f"{_DATABASE}://":
        raise ValueError(_ALLOWED)
    return text


class JobsVariables(Variables):
    jobs_url: Annotated[str, AfterValidator(_jobs_url)] = Field("database://", repr=False)
    """It may hold a password: not for logs."""
    workers_inline: Annotated[int, within(0, 64)] = 1

    @property
    def broker(self) -> str | None:
        return broker_of(self.jobs_url)

    @property
    def carrying(self) -> str:
        return self.broker or _DATABASE


class JobsParts(Parts):
    carrying = of.carrying
    job_carrier = providers.Selector(
        carrying,
        database=providers.Singleton(MemoryJobCarrier),
        nats=providers.Singleton(late("adapters.outbound.nats.job_carrier", "NatsJobCarrier"), of.jobs_url),
        rabbitmq=providers.Singleton(late("adapters.outbound.amqp.job_carrier", "AmqpJobCarrier"), of.jobs_url),
    )


@asynccontextmanager
async def _opened(parts: JobsParts, settings: JobsVariables) -> AsyncIterator[None]:
    if settings.broker is None:
        yield
        return
    carrier = made(parts.job_carrier, variable="JOBS_URL", broker=settings.broker)
    carrier.start()
    try:
        yield
    finally:
        await carrier.close()


def _health(parts: AllParts) -> Mapping[str, providers.Provider[HealthCheck]]:
    """Without a broker jobs wait in the database, so their queue is there when that is."""
    broker = parts.settings().broker
    return {"queue": parts.job_carrier, broker: parts.job_carrier} if broker else {"queue": parts.database}


JOBS = Capability(variables=JobsVariables, parts=[JobsParts], opened=_opened, health=_health)
