"""What belongs to this database and no other, such as the id of its volume."""

from sqlalchemy import Connection, Select, select

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.tables import installation


class SqlInstallation:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        return await self._database.read(lambda connection: connection.scalar(_value_of(key)))

    async def remember(self, key: str, value: str) -> str:
        """Keep ``value`` unless one of that key is kept already; return the one that is kept."""
        insert = insert_into(installation, is_sqlite=self._database.is_sqlite).on_conflict_do_nothing()

        def remember(connection: Connection) -> str:
            connection.execute(insert, {"key": key, "value": value})
            return connection.execute(_value_of(key)).scalar_one()

        return await self._database.write(remember)


def _value_of(key: str) -> Select[str]:
    return select(installation.c.value).where(installation.c.key == key)
