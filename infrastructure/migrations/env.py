"""Run by alembic, on the connection that infrastructure/migrate.py hands in or from its own command line."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.usage_triggers import metadata
from infrastructure.migrate import alone


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite alters a table by building it anew
        transactional_ddl=True,  # both databases undo a failed migration as a whole
    )
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_from_command_line() -> None:
    from infrastructure.setting_sources import load_settings  # noqa: PLC0415 -- needs a server's packages, we don't

    url = context.get_x_argument(as_dictionary=True).get("url") or load_settings().database_url
    await alone(Database(url), migrate)


def _print_sql() -> None:
    context.configure(dialect_name=context.get_x_argument(as_dictionary=True).get("dialect", "postgresql"))
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print_sql()
elif (handed_in := context.config.attributes.get("connection")) is not None:
    migrate(handed_in)
else:
    asyncio.run(_migrate_from_command_line())
