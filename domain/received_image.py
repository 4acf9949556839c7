"""Pictures that one browser tab sends one after the other, a session: few, and no two that look alike."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import DuplicatePicture
from domain.ids import BlobKey, FileId, OwnerId, UploadId
from domain.picture import PictureFormat, similar

_PLAIN_ID = re.compile(r"[0-9a-f-]{1,36}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageSession:
    """``user_id`` and ``session_id`` are the client's word, yet plain: they become part of a path."""

    owner: OwnerId
    user_id: str
    session_id: str

    def __post_init__(self) -> None:
        if not (_PLAIN_ID.fullmatch(self.user_id) and _PLAIN_ID.fullmatch(self.session_id)):
            raise ValueError("these ids could lead elsewhere")

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

    @property
    def blob_key(self) -> BlobKey:
        return BlobKey(self.session.prefix + self.name)

    def check_unlike(self, others: Iterable["ReceivedImage"]) -> None:
        """One that takes the place of another may look like that.

        Raises:
            DuplicatePicture
        """
        if any(other.index != self.index and similar(self.dhash, other.dhash) for other in others):
            raise DuplicatePicture("another picture of the session looks like this one")


def received_name(index: int, upload_id: UploadId, format_: PictureFormat) -> str:
    """``<index>_<hash>.<extension>``: no two pictures ever have the same, so no path is used twice."""
    return f"{index}_{upload_id}.{format_.extension}"
