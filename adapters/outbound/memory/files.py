"""Files in memory. Contract: tests/contract/test_file_repository.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.outbound.memory.uploads import Changes
from domain.access import Principal, Visibility
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

    async def find_many(self, file_ids: Collection[FileId]) -> Mapping[FileId, File]:
        found = {file_id: self._changes.file(file_id) for file_id in file_ids}
        return {file_id: file for file_id, file in found.items() if file is not None}

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
            if file.owner == owner and file.sha256 == sha256 and size in (None, file.size) and not file.restorable_until
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

    async def save_crc32s(self, found: Mapping[FileId, int]) -> None:
        for file_id, crc32 in found.items():
            file = self._changes.file(file_id)
            if file is not None and file.crc32 is None:
                self._changes.files[file_id] = replace(file, crc32=crc32)

    async def save(self, file: File, *, was: File) -> bool:
        known = self._changes.file(file.id)
        if known is None or known.restorable_until is not None or _changeable(known) != _changeable(was):
            return False
        name, path, visibility, expires_at = _changeable(file)
        self._changes.files[file.id] = replace(
            known, name=name, path=path, visibility=visibility, expires_at=expires_at
        )
        return True

    async def bin(self, file_id: FileId, until: datetime) -> bool:
        file = self._changes.file(file_id)
        if file is None or file.restorable_until is not None:
            return False
        self._changes.files[file_id] = replace(file, restorable_until=until)
        return True

    async def restore(self, file_id: FileId, now: datetime) -> bool:
        file = self._changes.file(file_id)
        if file is None or file.restorable_until is None or file.restorable_until <= now:
            return False
        self._changes.files[file_id] = replace(file, restorable_until=None)
        return True

    async def list_ended(self, now: datetime, *, limit: int) -> Sequence[File]:
        return [file for file in self._changes.all_files() if _is_ended(file, now)][:limit]

    async def is_ended(self, file_id: FileId, now: datetime) -> bool:
        file = self._changes.file(file_id)
        return file is not None and _is_ended(file, now)

    async def delete(self, file_id: FileId) -> BlobKey | None:
        file = self._changes.file(file_id)
        self._changes.files[file_id] = None
        if file is None or any(other.blob_key == file.blob_key for other in self._changes.all_files()):
            return None
        return file.blob_key


def _age(file: File) -> tuple[datetime, FileId]:
    return file.created_at, file.id


def _changeable(file: File) -> tuple[str, str | None, Visibility, datetime | None]:
    return file.name, file.path, file.visibility, file.expires_at


def _is_ended(file: File, now: datetime) -> bool:
    return any(time is not None and time <= now for time in (file.expires_at, file.restorable_until))
