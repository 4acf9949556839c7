"""What a server tells of files and uploads, and what we tell of our own work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one file, in bytes. ``sent`` has left us, ``stored`` is on the server's disk; both may go back."""

    sent: int
    stored: int
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that has been brought in. ``url`` gives its content; ``sha256`` is ours, of what was read.

    ``is_verified``: the server has told the same digest of all of it, or has checked each request on its way.
    """

    id: str
    name: str
    size: int
    url: str
    sha256: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the server lists it; ``path`` is its place in the folder that it came from, if it came in one."""

    id: str
    name: str
    path: str
    size: int
    media_type: str
    created_at: datetime | None
    visibility: str
    url: str

    @classmethod
    def of(cls, told: Mapping[str, Any], url: str) -> "StoredFile":
        created_at = told.get("created_at")
        return cls(
            id=str(told["id"]),
            name=str(told.get("name") or ""),
            path=str(told.get("path") or ""),
            size=int(told.get("size") or 0),
            media_type=str(told.get("media_type") or ""),
            created_at=datetime.fromisoformat(created_at) if created_at else None,
            visibility=str(told.get("visibility") or ""),
            url=url,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the files; ``next_cursor`` asks for those behind them, None where there are none."""

    files: Sequence[StoredFile]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    id: str
    name: str
    offset: int
    length: int | None
    state: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "OpenUpload":
        length = told.get("length")
        return cls(
            id=str(told["id"]),
            name=str(told.get("filename") or ""),
            offset=int(told.get("offset") or 0),
            length=None if length is None else int(length),
            state=str(told.get("state") or ""),
        )


@dataclass(frozen=True, slots=True)
class Link:
    """Opens one file to whoever has it."""

    url: str
    expires_at: datetime | None

    @classmethod
    def of(cls, url: str, told: Mapping[str, Any]) -> "Link":
        expires_at = told.get("expires_at")
        return cls(url, datetime.fromisoformat(expires_at) if expires_at else None)
