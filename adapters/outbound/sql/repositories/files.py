"""Files as rows. Contract: tests/contract/test_file_repository.py."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, text, tuple_, update

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import file_from_row, file_to_row
from adapters.outbound.sql.tables import IS_UNDIGESTED, files
from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from domain.ids import BlobKey, FileId, OwnerId
from ports.file_repository import FileRepository

_c = files.c
_IS_UNDIGESTED: ColumnElement[bool] = text(IS_UNDIGESTED)  # type: ignore[assignment]
_SAVE_DIGEST = (
    update(files).where(_c.id == bindparam("file_id"), _c.sha256.is_(None)).values(sha256=bindparam("digest"))
)


class SqlFileRepository(FileRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, file: File) -> None:
        row = file_to_row(file)
        insert = insert_into(files, is_sqlite=self._transaction.is_sqlite).on_conflict_do_nothing()
        await self._transaction.change(lambda connection: connection.execute(insert, row))

    async def get(self, file_id: FileId, principal: Principal) -> File:
        file = await self.find(file_id)
        if not principal.may_see(file.owner):
            raise FileNotFound("no such file")
        return file

    async def find(self, file_id: FileId) -> File:
        rows = await self._transaction.read(select(files).where(_c.id == file_id))
        if not rows:
            raise FileNotFound("no such file")
        return file_from_row(rows[0])

    async def find_same(self, owner: OwnerId, sha256: bytes, size: int | None) -> File | None:
        same = select(files).where(_c.owner == owner, _c.sha256 == sha256)
        if size is not None:
            same = same.where(_c.size == size)
        same = same.order_by(_c.credential.is_not(None), _c.created_at, _c.id).limit(1)
        # PostgreSQL: whoever wants to delete it waits for our commit. SQLite has one writer at a time anyway.
        rows = await self._transaction.read(same.with_for_update(read=True))
        return file_from_row(rows[0]) if rows else None

    async def list_undigested(self, *, after: tuple[datetime, FileId] | None, limit: int) -> Sequence[File]:
        left = select(files).where(_IS_UNDIGESTED)
        if after is not None:
            left = left.where(tuple_(_c.created_at, _c.id) > after)
        rows = await self._transaction.read(left.order_by(_c.created_at, _c.id).limit(limit))
        return [file_from_row(row) for row in rows]

    async def save_digests(self, digests: Mapping[FileId, bytes]) -> None:
        if digests:
            rows = [{"file_id": file_id, "digest": digests[file_id]} for file_id in sorted(digests)]
            await self._transaction.change(lambda connection: connection.execute(_SAVE_DIGEST, rows))

    async def delete(self, file_id: FileId) -> BlobKey | None:
        rows = await self._transaction.read(select(_c.blob_key).where(_c.id == file_id))
        if not rows:
            return None
        key = BlobKey(rows[0]["blob_key"])
        sharers = select(_c.id).where(_c.blob_key == key)

        def delete_one(connection: Connection) -> bool:
            # PostgreSQL: who deletes another one of these files waits here until we are done, and the other way round.
            connection.execute(sharers.order_by(_c.id).with_for_update()).all()
            gone = connection.execute(delete(files).where(_c.id == file_id)).rowcount
            # A statement of its own: it sees what was committed while we waited.
            return bool(gone) and connection.execute(sharers.limit(1)).first() is None

        return key if await self._transaction.write(delete_one) else None
