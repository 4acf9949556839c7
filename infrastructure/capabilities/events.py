"""How live progress travels: within this process, or by PostgreSQL between all of them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Literal

from dependency_injector import providers
from pydantic import BeforeValidator

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.sql.ledger.file_records import SqlFileRecords
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from infrastructure.capabilities.database import DatabaseParts, DatabaseVariables
from infrastructure.capabilities.jobs import JobsParts
from infrastructure.capability import Capability, Parts, late, of

_PG_NOTIFY = "adapters.outbound.pg_notify"


def _events_url(text: object) -> object:
    if isinstance(text, str) and text.startswith("nats:"):
        raise ValueError("nats:// is not available yet; allowed: memory://, postgres://")
    if text == "postgresql://":
        return "postgres://"
    if isinstance(text, str) and text.startswith(("postgres://", "postgresql://")) and text != "postgres://":
        raise ValueError("allowed: postgres:// alone, it uses DATABASE_URL's database")
    return text


class EventsVariables(DatabaseVariables):
    events_url: Annotated[Literal["memory://", "postgres://"], BeforeValidator(_events_url)] = "memory://"


def _misfits(settings: EventsVariables) -> Iterable[str]:
    if settings.events_url == "postgres://" and not settings.is_postgres:
        yield "EVENTS_URL: 'postgres://' needs a DATABASE_URL of PostgreSQL"


class EventsParts(Parts):
    """Progress reaches this process only, or by LISTEN and NOTIFY every process on the database; what has to be told
    is kept with the change that it tells of."""

    carrier = providers.Callable(lambda url: url.partition(":")[0], of.events_url)
    memory_feed = providers.Singleton(MemoryFeed)
    postgres_feed = providers.Singleton(late(f"{_PG_NOTIFY}.feed", "PostgresFeed"), of.database_url)
    postgres_notifier = providers.Singleton(
        late(f"{_PG_NOTIFY}.notifier", "PostgresProgressNotifier"), of.database_url, postgres_feed
    )
    feed = providers.Selector(carrier, memory=memory_feed, postgres=postgres_feed)
    notifier = providers.Selector(
        carrier,
        memory=providers.Singleton(MemoryProgressNotifier, memory_feed),
        postgres=postgres_notifier,
    )
    outbox = providers.Singleton(SqlOutbox, DatabaseParts.database, notifier)
    unit_of_work = providers.Singleton(
        SqlUnitOfWorkFactory, DatabaseParts.database, outbox, JobsParts.job_carrier.provided.carry
    )
    file_records = providers.Singleton(SqlFileRecords, unit_of_work, outbox)


@asynccontextmanager
async def _opened(parts: EventsParts, settings: EventsVariables) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if settings.events_url == "postgres://":
            for part in (parts.postgres_feed(), parts.postgres_notifier()):
                stack.push_async_callback(part.close)
                await part.start()
        yield


EVENTS = Capability(variables=EventsVariables, misfits=_misfits, parts=[EventsParts], opened=_opened)
