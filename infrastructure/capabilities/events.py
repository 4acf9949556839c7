"""How live progress travels: within this process, or by PostgreSQL between all of them."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BeforeValidator

from infrastructure.capabilities.database import DatabaseVariables
from infrastructure.capability import Capability


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


EVENTS = Capability(variables=EventsVariables, misfits=_misfits)
