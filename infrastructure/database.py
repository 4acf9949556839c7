"""Brings the database's schema up to date: at every start, under a lock, all of it or nothing."""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, pool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.outbound.sql.database import Database, SqliteConnection, prepare_sqlite
from adapters.outbound.sql.errors import translated
from domain.errors import RepositoryUnavailable

_MIGRATIONS = Path(__file__).with_name("migrations")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7813585269108010866)")  # the bytes of "longshor"
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


async def migrate(database: Database) -> None:
    """Return once the schema is what this version needs, whoever else is migrating at the same time.

    A schema newer than we know is left alone: migrations only add, so an older version goes on working.

    Raises:
        RepositoryUnavailable: the database is away, or another process has been migrating for a minute.
    """
    engine = _engine(database)
    try:
        with translated():
            async with engine.connect() as connection:
                if not database.is_sqlite:
                    await _lock(connection)
                await connection.run_sync(_upgrade)
                await connection.commit()
    finally:
        await engine.dispose()


def _engine(database: Database) -> AsyncEngine:
    """A connection of its own: a migration may take long, and on SQLite it builds tables anew."""
    if not database.is_sqlite:
        return create_async_engine(database.url, poolclass=pool.NullPool, connect_args={"timeout": 5})
    engine = create_async_engine(database.url, poolclass=pool.NullPool, connect_args={"isolation_level": None})

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: SqliteConnection, _record: object) -> None:
        # With foreign keys on, building a table anew would delete what points to it.
        prepare_sqlite(connection, foreign_keys=False)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def _lock(connection: AsyncConnection) -> None:
    """Be the only one to migrate, until the transaction ends."""
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            # Asked again and again: a statement that waits for a lock could not be given up cleanly.
            while not await connection.scalar(_TRY_LOCK):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise RepositoryUnavailable("another process is migrating the database") from None


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and not _is_known(config, current):
        log.warning("the database's schema is %s, newer than this version knows; going on with it", current)
        return
    command.upgrade(config, "head")


def _is_known(config: Config, revision: str) -> bool:
    try:
        return ScriptDirectory.from_config(config).get_revision(revision) is not None
    except CommandError:
        return False
