"""Pictures that one browser tab sends one after the other, a session: few, and no two that look alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from domain.access import NOBODY, Principal
from domain.errors import DuplicatePicture, Forbidden, InvalidPicture, InvalidRequest, TooManyImages
from domain.ids import BlobKey, FileId, OwnerId, UploadId
from domain.picture import PictureFormat, is_told, may_become, similar, sniff

TAKEN = frozenset({PictureFormat.JPEG, PictureFormat.PNG, PictureFormat.WEBP, PictureFormat.HEIC, PictureFormat.HEIF})
"""The formats of which a session takes pictures."""
MAX_INDEX = 2**31 - 1
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_USER_ID = re.compile(rf"{_UUID}|[0-9a-f]{{24}}", re.ASCII)
_SESSION_ID = re.compile(_UUID, re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageSession:
    """``user_id`` and ``session_id`` are the client's word, yet plain: they become part of a path."""

    owner: OwnerId
    user_id: str
    session_id: str

    def __post_init__(self) -> None:
        if not _USER_ID.fullmatch(self.user_id):
            raise InvalidRequest("user_id has to be a UUID or 24 hexadecimal digits")
        if not _SESSION_ID.fullmatch(self.session_id):
            raise InvalidRequest("session_id has to be a UUID")

    @classmethod
    def of(cls, principal: Principal, *, user_id: str, session_id: str) -> Self:
        """The caller's. Where nobody says who calls, ``user_id`` is believed; else it has to be the caller's own id.

        Raises:
            InvalidRequest: no such ids; Forbidden: somebody else's.
        """
        session = cls(principal.owner, user_id.lower(), session_id.lower())
        if principal.owner != NOBODY and principal.owner.partition(":")[2] != session.user_id:
            raise Forbidden("user_id is not the caller's")
        return session

    @property
    def prefix(self) -> str:
        return f"images/{self.user_id}/{self.session_id}/original/"


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """``name`` is what the client is told, and the last part of the blob's key; ``index`` is the client's count."""

    session: ImageSession
    index: int
    file_id: FileId
    name: str
    dhash: int


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a session may have: so many images, each of so many bytes."""

    max_count: int = 10
    max_bytes: int = 5 * 1024 * 1024

    def check_count(self, index: int, received: Sequence[ReceivedImage]) -> None:
        """Whether one of ``index`` may come; one that takes the place of another always may.

        Raises:
            TooManyImages
        """
        if len(received) >= self.max_count and all(image.index != index for image in received):
            raise TooManyImages(f"a session has at most {self.max_count} images")


def check_unlike(dhash: int, index: int, received: Sequence[ReceivedImage]) -> None:
    """One that takes the place of another may look like that.

    Raises:
        DuplicatePicture
    """
    if any(image.index != index and similar(dhash, image.dhash) for image in received):
        raise DuplicatePicture("another picture of the session looks like this one")


def judge(head: bytes, *, is_all: bool = False) -> PictureFormat | None:
    """What a picture that begins with ``head`` is; None as long as more has to be seen. ``is_all``: no more comes.

    Raises:
        InvalidPicture: none that a session takes.
    """
    if may_become(head, TAKEN):
        if not (is_all or is_told(head)):
            return None
        if (format_ := sniff(head)) in TAKEN:
            return format_
    raise InvalidPicture("no picture of a format that is taken here")


def received_name(index: int, upload_id: UploadId, format_: PictureFormat) -> str:
    """``<index>_<hash>.<extension>``: no two pictures ever have the same, so no path is used twice."""
    return f"{index}_{upload_id}.{format_.extension}"


def received_key(session: ImageSession, name: str) -> BlobKey:
    return BlobKey(session.prefix + name)
