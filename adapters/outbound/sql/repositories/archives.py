"""The archives that can be downloaded, as rows. Contract: tests/contract/test_archives.py."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.tables import archives
from domain.access import Principal
from domain.archive import Archive
from domain.ids import FileId, OwnerId
from ports.archives import Archives

_c = archives.c
_ID_LETTERS = 32


class SqlArchives(Archives):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, archive: Archive, *, now: datetime) -> None:
        over = delete(archives).where(_c.expires_at <= now)
        row = {
            "digest": archive.digest,
            "owner": archive.maker.owner,
            "is_admin": archive.maker.is_admin,
            "name": archive.name,
            "file_ids": "".join(archive.file_ids),
            "expires_at": archive.expires_at,
        }

        def add(connection: Connection) -> None:
            connection.execute(over)
            connection.execute(insert(archives), row)

        await self._database.write(add)

    async def find(self, digest: str) -> Archive | None:
        wanted = select(archives).where(_c.digest == digest)
        row = await self._database.read(lambda connection: connection.execute(wanted).mappings().one_or_none())
        if row is None:
            return None
        ids: str = row["file_ids"]
        return Archive(
            digest=row["digest"],
            maker=Principal(OwnerId(row["owner"]), is_admin=bool(row["is_admin"])),
            name=row["name"],
            file_ids=tuple(FileId(ids[at : at + _ID_LETTERS]) for at in range(0, len(ids), _ID_LETTERS)),
            expires_at=row["expires_at"],
        )
