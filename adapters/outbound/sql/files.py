"""Files as rows. Contract: tests/contract/test_file_repository.py."""

from sqlalchemy import delete, select

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.mapping import file_from_row, file_to_row
from adapters.outbound.sql.tables import files
from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from domain.ids import FileId
from ports.file_repository import FileRepository


class SqlFileRepository(FileRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, file: File) -> None:
        insert = insert_into(files, is_sqlite=self._transaction.is_sqlite)
        await self._transaction.write(insert.on_conflict_do_nothing(), file_to_row(file))

    async def get(self, file_id: FileId, principal: Principal) -> File:
        rows = await self._transaction.read(select(files).where(files.c.id == file_id))
        if not rows or not principal.may_see(rows[0]["owner"]):
            raise FileNotFound("no such file")
        return file_from_row(rows[0])

    async def delete(self, file_id: FileId) -> None:
        await self._transaction.write(delete(files).where(files.c.id == file_id))
