"""Keeps the records of stored files. Contract: tests/contract/test_file_repository.py."""

from abc import abstractmethod
from typing import Protocol

from domain.access import Principal
from domain.file import File
from domain.ids import FileId


class FileRepository(Protocol):
    @abstractmethod
    async def add(self, file: File) -> None:
        """Keep ``file``; nothing happens if one of its id is kept already."""

    @abstractmethod
    async def get(self, file_id: FileId, principal: Principal) -> File:
        """Raises:
        FileNotFound: unknown, or not to be seen by ``principal``.
        """

    @abstractmethod
    async def delete(self, file_id: FileId) -> None:
        """Forget the record; nothing happens if there is none."""
