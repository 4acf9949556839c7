"""How workers hear of jobs. The jobs themselves are rows of the database, whoever carries the news of them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

from dependency_injector import providers
from pydantic import AfterValidator, Field

from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from infrastructure.capability import AllParts, CannotStart, Capability, Parts, Variables, late, of
from infrastructure.setting_values import within
from ports.health import HealthCheck

_DATABASE = "database"
_BROKERS = {"nats": "nats", "tls": "nats", "amqp": "rabbitmq", "amqps": "rabbitmq"}
"""By the scheme of JOBS_URL; the names are those that /health tells, and of the extras that bring what they need."""
_ALLOWED = "allowed: database://, nats://user:password@host:4222 or amqp://user:password@host:5672/vhost"


def _jobs_url(text: str) -> str:
    text = text.strip()
    try:
        parts = urlsplit(text)
        is_broker = parts.scheme in _BROKERS and bool(parts.hostname) and parts.port != 0
        if parts.scheme in ("nats", "tls"):
            is_broker = is_broker and not (parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError:
        is_broker = False
    if not is_broker and text != f"{_DATABASE}://":
        raise ValueError(_ALLOWED)
    return text


class JobsVariables(Variables):
    jobs_url: Annotated[str, AfterValidator(_jobs_url)] = Field("database://", repr=False)
    """It may hold a password: not for logs."""
    workers_inline: Annotated[int, within(0, 64)] = 1

    @property
    def broker(self) -> str | None:
        return _BROKERS.get(urlsplit(self.jobs_url).scheme)

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
    try:
        carrier = parts.job_carrier()
    except ModuleNotFoundError as error:
        how = f"make brokers, or pip install longshore[{settings.broker}]"
        raise CannotStart(f"JOBS_URL: it needs the package {error.name}: {how}") from error
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
