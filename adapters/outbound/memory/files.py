"""Files in memory. Contract: tests/contract/test_file_repository.py."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.outbound.memory.uploads import Changes
from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from domain.file_list import FileOrder, FilePage, FilePlace, FileSelection
from domain.ids import BlobKey, FileId, OwnerId
from ports.file_repository import FileRepository


class MemoryFileRepository(FileRepository):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, file: File) -> None:
        if self._changes.file(file.id) is None:
            self._changes.files[file.id] = file

    async def get(self, file_id: FileId, principal: Principal) -> File:
        file = await self.find(file_id)
        if not principal.may_see(file.owner):
            raise FileNotFound("no such file")
        return file

    async def find(self, file_id: FileId) -> File:
        file = self._changes.file(file_id)
        if file is None:
            raise FileNotFound("no such file")
        return file

    async def list(
        self, selection: FileSelection, order: FileOrder, *, after: FilePlace | None, now: datetime, limit: int
    ) -> FilePage:
        def is_next(place: FilePlace) -> bool:
            return after is None or (place < after if order.is_descending else place > after)

        there = (file for file in self._changes.all_files() if file.is_listed(now) and selection.has(file))
        found = sorted((file for file in there if is_next(order.place_of(file))), key=order.place_of)
        if order.is_descending:
            found.reverse()
        return FilePage(found[:limit], order.place_of(found[limit - 1]) if len(found) > limit else None)

    async def fold_names(self, *, limit: int) -> int:
        return 0

    async def find_same(self, owner: OwnerId, sha256: bytes, size: int | None) -> File | None:
        same = [
            file
            for file in self._changes.all_files()
            if file.owner == owner and file.sha256 == sha256 and size in (None, file.size)
        ]
        return min(same, key=lambda file: (file.credential is not None, *_age(file)), default=None)

    async def list_undigested(self, *, after: tuple[datetime, FileId] | None, limit: int) -> Sequence[File]:
        left = [file for file in self._changes.all_files() if file.sha256 is None]
        return sorted((file for file in left if after is None or _age(file) > after), key=_age)[:limit]

    async def save_digests(self, digests: Mapping[FileId, bytes]) -> None:
        for file_id, digest in digests.items():
            file = self._changes.file(file_id)
            if file is not None and file.sha256 is None:
                self._changes.files[file_id] = replace(file, sha256=digest)

    async def delete(self, file_id: FileId) -> BlobKey | None:
        file = self._changes.file(file_id)
        self._changes.files[file_id] = None
        if file is None or any(other.blob_key == file.blob_key for other in self._changes.all_files()):
            return None
        return file.blob_key


def _age(file: File) -> tuple[datetime, FileId]:
    return file.created_at, file.id
