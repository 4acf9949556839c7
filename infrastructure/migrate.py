"""Brings the database's schema up to date: at every start, under a lock, all of it or nothing."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.errors import translated
from domain.errors import LongshoreError, RepositoryUnavailable
from domain.finding import Finding, ok, problem
from infrastructure.setting_values import in_one_line

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_MIGRATIONS = Path(__file__).with_name("migrations")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7813585269108010866)")  # the bytes of "longshor"
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class CannotMigrate(Exception):
    """A migration failed and was undone: one clear line for the operator."""


async def is_current(database: Database) -> bool:
    """Whether ``migrate`` would have nothing to do, found out without it: alembic is large, its work is rare.

    A schema newer than we know is left alone: migrations only add, so an older version goes on working.

    Raises:
        RepositoryUnavailable: the database is away.
    """
    current = await database.read(_revision)
    return _is_newer(current) or current == revisions()[-1]


def compared(connection: Connection) -> Finding:
    """Whether ``migrate`` would have nothing to do, for the doctor."""
    known, found = revisions(), _revision(connection)
    if found == known[-1]:
        return ok(f"the database has the newest tables ({found})")
    if found is not None and found not in known:
        return ok(f"the database's tables ({found}) are newer than this program: it can use them")
    return problem(f"the database is at revision {found or 'none'}, this program wants {known[-1]}: migrate")


async def migrate(database: Database) -> None:
    """Return once the schema is what this version needs, whoever else is migrating at the same time.

    Raises:
        CannotMigrate: nothing has been changed.
        RepositoryUnavailable: the database is away, or another process has been migrating for a minute.
    """
    try:
        with translated():
            await alone(database, _upgrade)
    except LongshoreError:
        raise
    except Exception as error:
        log.debug("migrating failed", exc_info=True)
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        raise CannotMigrate(f"migrating the database failed, nothing is changed: {reason}") from error


async def alone(database: Database, work: Callable[[Connection], None]) -> None:
    """Do ``work`` in one transaction on a connection of its own, while nobody else is migrating."""
    await (asyncio.to_thread(_on_sqlite, database, work) if database.is_sqlite else _on_postgresql(database, work))


def _on_sqlite(database: Database, work: Callable[[Connection], None]) -> None:
    # With foreign keys on, building a table anew (as SQLite alters one) would delete what points to it.
    connect = partial(database.connect_sqlite, foreign_keys=False, busy_seconds=_WAIT_SECONDS)
    with create_engine("sqlite://", creator=connect, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        work(connection)


async def _on_postgresql(database: Database, work: Callable[[Connection], None]) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 -- see database.py

    engine = create_async_engine(database.url, poolclass=NullPool, connect_args={"timeout": 5})
    async with engine.begin() as connection:
        await _lock(connection)
        await connection.run_sync(work)


async def _lock(connection: "AsyncConnection") -> None:
    """Be the only one to migrate, until the transaction ends."""
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            # Asked again and again: a statement that waits for a lock could not be given up cleanly.
            while not await connection.scalar(_TRY_LOCK):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise RepositoryUnavailable("another process is migrating the database") from None


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def revisions() -> list[str]:
    """Those we know, the newest last: their files are named after them."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("*_*.py"))


def _is_newer(revision: str | None) -> bool:
    if revision is None or revision in revisions():
        return False
    log.warning("the database's schema is %s, newer than this version knows; going on with it", revision)
    return True


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 -- who only asks is_current does without its 4 MiB
    from alembic.config import Config  # noqa: PLC0415

    if _is_newer(_revision(connection)):
        return
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main() -> NoReturn:
    """For a process that does nothing else; DATABASE_URL says where, as the settings have it."""

    async def run() -> None:
        database = Database(os.environ["DATABASE_URL"])
        try:
            await migrate(database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except CannotMigrate as error:
        sys.exit(str(error))
    except LongshoreError as error:
        sys.exit(in_one_line(error))
    sys.exit()
