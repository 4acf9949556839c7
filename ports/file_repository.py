"""Keeps the records of stored files. Contract: tests/contract/test_file_repository.py."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.access import Principal
from domain.file import File
from domain.file_list import FileOrder, FilePage, FilePlace, FileSelection
from domain.ids import BlobKey, FileId, OwnerId


class FileRepository(Protocol):
    @abstractmethod
    async def add(self, file: File) -> None:
        """Keep ``file``; nothing happens if one of its id is kept already."""

    @abstractmethod
    async def get(self, file_id: FileId, principal: Principal) -> File:
        """Raises:
        FileNotFound: unknown, or not the principal's own.
        """

    @abstractmethod
    async def find(self, file_id: FileId) -> File:
        """Whoever asks: the file itself says who may open it (``File.check_opened_by``).

        Raises:
            FileNotFound: unknown.
        """

    @abstractmethod
    async def find_many(self, file_ids: Collection[FileId]) -> Mapping[FileId, File]:
        """Those of them that there are; 500 at most are asked for."""

    @abstractmethod
    async def list(
        self, selection: FileSelection, order: FileOrder, *, after: FilePlace | None, now: datetime, limit: int
    ) -> FilePage:
        """Those that are there at ``now``, in that order; the ones that come ``after`` a place in it.

        However many files there are, some 20,000 at most are looked at for one page: of a narrow selection it may have
        fewer than ``limit``, or none, and others come after it all the same. Everybody's come by creation time alone.
        """

    @abstractmethod
    async def fold_names(self, *, limit: int) -> int:
        """Make findable by name what an older version has stored; return how many files were, at most ``limit``."""

    @abstractmethod
    async def find_same(self, owner: OwnerId, sha256: bytes, size: int | None) -> File | None:
        """A file of the owner with these bytes (``size``: None, any), one without a credential if there is any; none in
        the bin.

        Asked after a change within its unit of work, the file is there until the work is committed.
        """

    @abstractmethod
    async def list_undigested(self, *, after: tuple[datetime, FileId] | None, limit: int) -> Sequence[File]:
        """Files whose SHA-256 is not known yet, oldest first; those that come ``after`` a creation time and id."""

    @abstractmethod
    async def save_digests(self, digests: Mapping[FileId, bytes]) -> None:
        """Note the SHA-256 of files; of those that are gone or have one already nothing is changed."""

    @abstractmethod
    async def save_crc32s(self, found: Mapping[FileId, int]) -> None:
        """As ``save_digests``, the CRC-32."""

    @abstractmethod
    async def save(self, file: File, *, was: File) -> bool:
        """Keep what an owner may change of it; return False, and change nothing, if it is gone or in the bin, or if it
        is not in these things as it ``was`` any more."""

    @abstractmethod
    async def bin(self, file_id: FileId, until: datetime) -> bool:
        """Put it in the bin, from where it can be restored until then; return whether it was there and is now. What it
        is made of stays: it counts, and its bytes are kept for it."""

    @abstractmethod
    async def restore(self, file_id: FileId, now: datetime) -> bool:
        """Take it out of the bin; return False if it is not in there, or can be restored no more."""

    @abstractmethod
    async def list_ended(self, now: datetime, *, limit: int) -> Sequence[File]:
        """Files whose ``expires_at`` has come, and those in the bin that can be restored no more."""

    @abstractmethod
    async def is_ended(self, file_id: FileId, now: datetime) -> bool:
        """Whether it is one of those. If so, nobody else changes it until this unit of work is over."""

    @abstractmethod
    async def delete(self, file_id: FileId) -> BlobKey | None:
        """Forget the record; return the key of its bytes if they are no other file's, to be noted as to be deleted.

        None as well if there is no such record. Of files that share their bytes, deleted at the same time in several
        units of work, the last one to go returns the key.
        """
