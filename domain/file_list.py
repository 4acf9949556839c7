"""Lists of stored files: which are meant, in what order, and where one page ends and the next begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from domain.file import File
from domain.file_name import folded
from domain.ids import FileId, OwnerId


class FilePlace(NamedTuple):
    """Where in an ordered list one is: what the file there is sorted by, and its id. It stays where it is, whatever
    comes and goes before it."""

    key: datetime | str | int
    id: FileId


class FileOrder(StrEnum):
    """By which of a file's values; with a minus, the greatest first."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    BY_NAME = "name"
    BY_NAME_BACKWARDS = "-name"
    LARGEST = "-size"
    SMALLEST = "size"

    @property
    def value_name(self) -> str:
        return self.value.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.value.startswith("-")

    def place_of(self, file: File) -> FilePlace:
        keys: dict[str, datetime | str | int] = {
            "created_at": file.created_at,
            "name": folded(file.name),
            "size": file.size,
        }
        return FilePlace(keys[self.value_name], file.id)


@dataclass(frozen=True, slots=True)
class FileSelection:
    """``owner``: None means everybody's. ``name``: a part of it, whatever its case; ``media_type``: how it begins.
    ``folder``: which paths lead into it, with a slash at its end. ``find``: a part of the name or of the path; the case
    of letters other than Latin ones may count in the path."""

    owner: OwnerId | None
    name: str = ""
    media_type: str = ""
    folder: str = ""
    find: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether most files may not be meant."""
        return bool(self.name or self.media_type or self.folder or self.find)

    def has(self, file: File) -> bool:
        is_theirs = self.owner in (None, file.owner) and (file.path or "").startswith(self.folder)
        is_found = any(folded(self.find) in folded(text) for text in (file.name, file.path or ""))
        is_called = folded(self.name) in folded(file.name)
        return is_theirs and is_found and is_called and file.media_type.startswith(self.media_type)


@dataclass(frozen=True, slots=True)
class FilePage:
    """``after``: where the next page begins; None: there is none."""

    files: Sequence[File]
    after: FilePlace | None
