"""What belongs to this database and no other, such as the id of its volume."""

from sqlalchemy import select

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.tables import installation


class SqlInstallation:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        async with self._database.transaction() as transaction:
            rows = await transaction.read(select(installation.c.value).where(installation.c.key == key))
            return str(rows[0]["value"]) if rows else None

    async def remember(self, key: str, value: str) -> str:
        """Keep ``value`` unless one of that key is kept already; return the one that is kept."""
        insert = insert_into(installation, is_sqlite=self._database.is_sqlite)
        async with self._database.transaction() as transaction:
            await transaction.write(insert.on_conflict_do_nothing(), {"key": key, "value": value})
            rows = await transaction.read(select(installation.c.value).where(installation.c.key == key))
            await transaction.commit()
        return str(rows[0]["value"])
