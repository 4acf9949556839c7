"""The database, SQLite or PostgreSQL: what was promised of which bytes, and who holds an upload."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from infrastructure.capabilities.system import AtHome, SystemVariables
from infrastructure.capability import Capability

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


def _database_url(text: str) -> str:
    """The async form of the URLs that people write; to SQLAlchemy 2.1 a bare postgresql:// means psycopg."""
    scheme, separator, rest = text.strip().partition("://")
    allowed = "allowed: postgresql://user:password@host/database or sqlite:///path"
    if not separator or scheme not in _DRIVERS:
        raise ValueError(allowed)
    driver = _DRIVERS[scheme]
    if driver == "sqlite+aiosqlite":
        if re.fullmatch(r"/?(:memory:)?(\?.*)?", rest):
            raise ValueError("an in-memory database would forget every promise; allowed: sqlite:///path")
        if not rest.startswith("/"):
            raise ValueError("allowed: sqlite:///relative/path or sqlite:////absolute/path")
    if driver == "postgresql+asyncpg":
        rest = re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)  # libpq's name for it, and asyncpg's
    try:
        make_url(f"{driver}://{rest}")
    except (ArgumentError, ValueError):
        raise ValueError(allowed) from None
    return f"{driver}://{rest}"


class DatabaseVariables(SystemVariables):
    database_url: Annotated[str, AtHome, AfterValidator(_database_url)] = Field(
        "sqlite+aiosqlite:///{DATA_DIR}/files.db", repr=False, validate_default=True
    )
    """As SQLAlchemy takes it. It may hold a password: not for logs."""

    @property
    def is_postgres(self) -> bool:
        return self.database_url.startswith("postgresql")


DATABASE = Capability(variables=DatabaseVariables)
