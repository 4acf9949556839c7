"""What belongs to this database and no other: the storage that its uploads are in."""

from sqlalchemy import Connection, select

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.tables import installation

_KEY = "volume"  # buckets came later
_STORAGE_ID = select(installation.c.value).where(installation.c.key == _KEY)


class SqlInstallation:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def storage_id(self) -> str | None:
        """In the storage's marker; None if none has been met yet."""
        return await self._database.read(lambda connection: connection.scalar(_STORAGE_ID))

    async def remember_storage(self, id_: str) -> str:
        """Keep ``id_`` unless one is kept already; return the one that is kept."""
        insert = insert_into(installation, is_sqlite=self._database.is_sqlite).on_conflict_do_nothing()

        def remember(connection: Connection) -> str:
            connection.execute(insert, {"key": _KEY, "value": id_})
            kept: str = connection.execute(_STORAGE_ID).scalar_one()
            return kept

        return await self._database.write(remember)
