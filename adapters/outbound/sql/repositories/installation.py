"""What belongs to this database and no other: the storage that its uploads are in."""

from sqlalchemy import Connection, exists, or_, select, update

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.tables import blob_deletions, files, installation, received_ranges, uploads
from domain.upload_state import UploadState

_KEY = "volume"  # buckets came later
_FORMER = "volume before: "
_STORAGE_ID = select(installation.c.value).where(installation.c.key == _KEY)
_HAS_BYTES = select(
    or_(
        exists(select(files.c.id)),
        exists(select(blob_deletions.c.blob_key)),
        exists(
            select(received_ranges.c.upload_id)
            .join(uploads, uploads.c.id == received_ranges.c.upload_id)
            .where(uploads.c.state.not_in([UploadState.ABORTED, UploadState.EXPIRED]))
        ),
    )
)


class SqlInstallation:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def storage_id(self) -> str | None:
        """In the storage's marker; None if none has been met yet."""
        return await self._database.read(lambda connection: connection.scalar(_STORAGE_ID))

    async def has_had(self, id_: str) -> bool:
        """Whether that storage was this database's before another one took its place."""
        had = select(installation.c.value).where(installation.c.key == _FORMER + id_)
        return await self._database.read(lambda connection: connection.scalar(had)) is not None

    async def has_bytes(self) -> bool:
        """Whether something would be missed if the storage were another one."""
        return bool(await self._database.read(lambda connection: connection.scalar(_HAS_BYTES)))

    async def remember_storage(self, id_: str, *, in_place_of: str | None = None) -> str:
        """Keep ``id_`` unless one is kept already; return the one that is kept.

        ``in_place_of``: one that may be kept, and gives way as long as nothing would be missed.
        """
        insert = insert_into(installation, is_sqlite=self._database.is_sqlite).on_conflict_do_nothing()
        give_way = update(installation).where(installation.c.key == _KEY, installation.c.value == in_place_of)

        def remember(connection: Connection) -> str:
            if in_place_of is not None and not connection.scalar(_HAS_BYTES):
                connection.execute(give_way.values(value=id_))
                connection.execute(insert, {"key": _FORMER + in_place_of, "value": in_place_of})
            connection.execute(insert, {"key": _KEY, "value": id_})
            kept: str = connection.execute(_STORAGE_ID).scalar_one()
            return kept

        return await self._database.write(remember)
