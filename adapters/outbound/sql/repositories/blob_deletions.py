"""Blobs to be deleted, as rows. Contract: tests/contract/test_blob_deletions.py."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.image_tables import renditions
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.tables import blob_deletions, files
from domain.errors import StorageUnavailable
from domain.ids import BlobKey
from ports.blob_deletions import BlobDeletions

_c = blob_deletions.c
_KEEPERS = (
    select(files.c.id).where(files.c.id == _c.blob_key, files.c.blob_key == files.c.id),
    select(files.c.id).where(files.c.blob_key == _c.blob_key, files.c.blob_key != files.c.id),
    select(renditions.c.blob_key).where(renditions.c.blob_key == _c.blob_key),
)
_IS_KEPT = or_(*(keeper.exists() for keeper in _KEEPERS))


class SqlBlobDeletions(BlobDeletions):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, key: BlobKey, now: datetime) -> None:
        insert = insert_into(blob_deletions, is_sqlite=self._transaction.is_sqlite).on_conflict_do_nothing()
        row = {"blob_key": key, "created_at": now}
        await self._transaction.change(lambda connection: connection.execute(insert, row))

    async def withdraw(self, key: BlobKey) -> None:
        note = delete(blob_deletions).where(_c.blob_key == key)

        def withdraw(connection: Connection) -> None:
            if not connection.execute(note).rowcount:
                raise StorageUnavailable("the bytes were taken for nobody's, and deleted")

        await self._transaction.change(withdraw)

    async def list_left(self, *, before: datetime, after: BlobKey | None, limit: int) -> Sequence[BlobKey]:
        left = select(_c.blob_key).where(_c.created_at < before, ~_IS_KEPT)
        if after is not None:
            left = left.where(_c.blob_key > after)
        rows = await self._transaction.read(left.order_by(_c.blob_key).limit(limit))
        return [BlobKey(row["blob_key"]) for row in rows]

    async def remove(self, key: BlobKey) -> bool:
        gone = delete(blob_deletions).where(_c.blob_key == key)
        return await self._transaction.write(lambda connection: connection.execute(gone).rowcount > 0)
