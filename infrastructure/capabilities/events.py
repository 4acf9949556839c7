"""How live progress travels: within this process, or by PostgreSQL or NATS between all of them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator, Field, field_serializer

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.sql.ledger.file_records import SqlFileRecords
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from domain.job import JobsOf
from infrastructure.capabilities.database import DatabaseParts, DatabaseVariables
from infrastructure.capabilities.jobs import NATS, JobsParts, JobsVariables, broker_of, made
from infrastructure.capability import AllParts, Capability, Parts, late, of
from ports.health import HealthCheck

_PG_NOTIFY = "adapters.outbound.pg_notify"
_NATS = "adapters.outbound.nats"
_MEMORY, _POSTGRES = "memory", "postgres"
_ALLOWED = "allowed: memory://, postgres:// or nats://user:password@host:4222"


def _events_url(text: str) -> str:
    text = text.strip()
    if text == "postgresql://":
        return f"{_POSTGRES}://"
    if text.startswith(("postgres://", "postgresql://")) and text != f"{_POSTGRES}://":
        raise ValueError("allowed: postgres:// alone, it uses DATABASE_URL's database")
    if text not in (f"{_MEMORY}://", f"{_POSTGRES}://") and broker_of(text) != NATS:
        raise ValueError(_ALLOWED)
    return text


class EventsVariables(JobsVariables, DatabaseVariables):
    events_url: Annotated[str, AfterValidator(_events_url)] = Field(f"{_MEMORY}://", repr=False)
    """It may hold a password: not for logs."""

    @property
    def telling(self) -> str:
        """What events go by; several processes that nobody has told otherwise have PostgreSQL in common."""
        if self.processes and self.is_postgres and "events_url" not in self.model_fields_set:
            return _POSTGRES
        return broker_of(self.events_url) or self.events_url.partition(":")[0]

    @property
    def reaches_other_processes(self) -> bool:
        return self.telling != _MEMORY

    @property
    def nats_url(self) -> str | None:
        """Of the one that carries events, or jobs: other services are told there what becomes of instructions."""
        return next((url for url in (self.events_url, self.jobs_url) if broker_of(url) == NATS), None)

    @field_serializer("events_url")
    def _shown_events_url(self, url: str) -> str:
        return f"{_POSTGRES}://" if self.telling == _POSTGRES else url


def _misfits(settings: EventsVariables) -> Iterable[str]:
    if settings.is_several and not settings.reaches_other_processes:
        yield (
            "PROCESSES: more than one need a DATABASE_URL of PostgreSQL, or an EVENTS_URL of nats://: else who watches "
            "at one of them does not hear of what comes to another"
        )
    if settings.telling == _POSTGRES and not settings.is_postgres:
        yield "EVENTS_URL: 'postgres://' needs a DATABASE_URL of PostgreSQL"


def _warnings(settings: EventsVariables) -> Iterable[str]:
    if not settings.workers_inline and not settings.reaches_other_processes:
        yield (
            "WORKERS_INLINE is 0 and EVENTS_URL memory://: nobody who watches hears of what a worker apart has done; "
            "postgres:// or nats:// carries it"
        )


class Both(HealthCheck):
    """Two connections to what has one name."""

    def __init__(self, one: HealthCheck, other: HealthCheck) -> None:
        self._checks = (one, other)

    async def check(self) -> None:
        for check in self._checks:
            await check.check()


class EventsParts(Parts):
    """Progress reaches this process only, or by PostgreSQL or NATS all others; what has to be told is kept with the
    change that it tells of."""

    telling = of.telling
    memory_feed = providers.Singleton(MemoryFeed)
    postgres_feed = providers.Singleton(late(f"{_PG_NOTIFY}.feed", "PostgresFeed"), of.database_url)
    postgres_notifier = providers.Singleton(
        late(f"{_PG_NOTIFY}.notifier", "PostgresProgressNotifier"), of.database_url, postgres_feed
    )
    nats_feed = providers.Singleton(late(f"{_NATS}.feed", "NatsFeed"))
    nats_notifier = providers.Singleton(late(f"{_NATS}.notifier", "NatsProgressNotifier"), of.events_url, nats_feed)
    nats_of_jobs_and_events = providers.Singleton(Both, JobsParts.job_carrier, nats_notifier)
    feed = providers.Selector(telling, memory=memory_feed, postgres=postgres_feed, nats=nats_feed)
    notifier = providers.Selector(
        telling,
        memory=providers.Singleton(MemoryProgressNotifier, memory_feed),
        postgres=postgres_notifier,
        nats=nats_notifier,
    )
    nats_notifications = providers.Singleton(late(f"{_NATS}.notifications", "NatsNotifications"), of.nats_url, notifier)
    outbox = providers.Singleton(
        SqlOutbox,
        DatabaseParts.database,
        providers.Selector(
            providers.Callable(lambda nats_url: "told" if nats_url else "untold", of.nats_url),
            told=nats_notifications,
            untold=notifier,
        ),
    )
    jobs_of: providers.Dependency[JobsOf] = providers.Dependency()
    """What all capabilities want done about events; ``infrastructure/container.py`` hands it in."""
    unit_of_work = providers.Singleton(
        SqlUnitOfWorkFactory, DatabaseParts.database, outbox, JobsParts.job_carrier.provided.carry, jobs_of
    )
    file_records = providers.Singleton(SqlFileRecords, DatabaseParts.database, unit_of_work, outbox)


@asynccontextmanager
async def _opened(parts: EventsParts, settings: EventsVariables) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if settings.telling == _POSTGRES:
            for part in (parts.postgres_feed(), parts.postgres_notifier()):
                stack.push_async_callback(part.close)
                await part.start()
        elif settings.telling == NATS:
            notifier = made(parts.nats_notifier, variable="EVENTS_URL", broker=NATS)
            stack.push_async_callback(notifier.close)
            notifier.start()
        if settings.nats_url:
            notifications = made(parts.nats_notifications, variable="EVENTS_URL or JOBS_URL", broker=NATS)
            stack.push_async_callback(notifications.close)
            notifications.start()
        yield


def _health(parts: AllParts) -> Mapping[str, providers.Provider[HealthCheck]]:
    settings = parts.settings()
    if settings.telling != NATS:
        return {}
    return {NATS: parts.nats_of_jobs_and_events if settings.broker == NATS else parts.nats_notifier}


EVENTS = Capability(
    variables=EventsVariables,
    misfits=_misfits,
    warnings=_warnings,
    parts=[EventsParts],
    opened=_opened,
    health=_health,
)
