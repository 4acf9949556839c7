"""Files in memory. Contract: tests/contract/test_file_repository.py."""

from adapters.outbound.memory.uploads import Changes
from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from domain.ids import FileId
from ports.file_repository import FileRepository


class MemoryFileRepository(FileRepository):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, file: File) -> None:
        if self._changes.file(file.id) is None:
            self._changes.files[file.id] = file

    async def get(self, file_id: FileId, principal: Principal) -> File:
        file = self._changes.file(file_id)
        if file is None or not principal.may_see(file.owner):
            raise FileNotFound("no such file")
        return file

    async def delete(self, file_id: FileId) -> None:
        self._changes.files[file_id] = None
