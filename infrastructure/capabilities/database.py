"""The database, SQLite or PostgreSQL: what was promised of which bytes, and who holds an upload."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator, Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.outbound.sql.audit import SqlAudit
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from adapters.outbound.sql.locks.bell import Bell
from adapters.outbound.sql.locks.lock import SqlUploadLock
from adapters.outbound.sql.repositories.installation import SqlInstallation
from adapters.outbound.system.ballast import Ballast
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.system import AtHome, SystemParts, SystemVariables
from infrastructure.capability import AllParts, CannotStart, Capability, Parts, of, starting
from infrastructure.migrate import compared, is_current
from infrastructure.supervision.bells import Bells

_ROOT = str(Path(__file__).resolve().parents[__name__.count(".")])
"""Where our top package lies, in a checkout or installed."""
_MIGRATE = """import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from infrastructure.migrate import main
main()"""

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


class DatabaseParts(Parts):
    database = providers.Singleton(
        Database,
        of.database_url,
        durable=providers.Callable(lambda durability: durability != "none", of.durability),
        reserve_at=providers.Factory(Ballast, least=of.told_free_space).provider,
    )
    installation = providers.Singleton(SqlInstallation, database)
    ledger = providers.Singleton(SqlReceivedLedger, database, on_commit=ObservingParts.metrics.provided.committed)
    bell = providers.Singleton(Bell)
    lock = providers.Singleton(SqlUploadLock, database, SystemParts.clock, bell=bell)
    audit = providers.Singleton(SqlAudit, database, tables=providers.Object(compared))


@asynccontextmanager
async def _opened(parts: AllParts, settings: DatabaseVariables) -> AsyncIterator[None]:
    database, supervised = parts.database(), parts.supervised()
    bells = Bells(supervised, parts.bell()) if supervised else None
    try:
        with starting():
            await _bring_up_to_date(database, settings.database_url)
        yield
    finally:
        if bells is not None:
            bells.close()
        await database.close()


@asynccontextmanager
async def _opened_to_look(parts: DatabaseParts) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await parts.database().close()


async def _bring_up_to_date(database: Database, url: str) -> None:
    """Migrate in another process: what that loads would stay in this one for good.

    Any number of servers may do so at once: their migrations wait for one another.
    """
    if await is_current(database):
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _MIGRATE, _ROOT, "migrate"),
        env={**os.environ, "DATABASE_URL": url},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,  # Ctrl-C is for us: what has been begun ends, then so do we
    )
    try:
        said = (await process.communicate())[1].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        reason = said.strip().rpartition("\n")[2] or f"migrating ended with {process.returncode}"
        raise CannotStart(f"cannot start: {reason}")
    sys.stderr.write(said)


DATABASE = Capability(
    variables=DatabaseVariables,
    parts=[DatabaseParts],
    opened=_opened,
    opened_to_look=_opened_to_look,
    health=lambda parts: {"database": parts.database},
)
