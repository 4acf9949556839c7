"""What use cases hand out: frozen copies, so that no caller holds a live entity."""

from dataclasses import dataclass
from datetime import datetime

from domain.file import File
from domain.ids import FileId, OwnerId, UploadId, file_id_of
from domain.image import Image, ImageStatus
from domain.metadata import Metadata
from domain.rendition import Box
from domain.upload import Upload
from domain.upload_state import UploadKind, UploadState


@dataclass(frozen=True, slots=True)
class UploadView:
    """An upload as it stands in the repository; ``offset`` and ``length`` in bytes."""

    id: UploadId
    owner: OwnerId
    state: UploadState
    offset: int
    length: int | None
    metadata: Metadata
    kind: UploadKind
    parts: tuple[str, ...]
    completes_on_request: bool
    chunk_size: int | None
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> "UploadView":
        return cls(
            id=upload.id,
            owner=upload.owner,
            state=upload.state,
            offset=upload.offset,
            length=upload.length,
            metadata=upload.draft.metadata,
            kind=upload.kind,
            parts=upload.parts,
            completes_on_request=upload.completes_on_request,
            chunk_size=upload.chunk_size,
            created_at=upload.created_at,
            expires_at=upload.expires_at,
        )

    @property
    def file_id(self) -> FileId | None:
        """The file it has become, if it has."""
        if self.state is UploadState.COMPLETED and self.kind is not UploadKind.PARTIAL:
            return file_id_of(self.id)
        return None


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with its file. ``boxes``: of the thumbnails that there are."""

    file: File
    status: ImageStatus
    error: str
    boxes: frozenset[Box]

    @classmethod
    def of(cls, image: Image, file: File) -> "ImageView":
        boxes = frozenset(rendition.box for rendition in image.renditions)
        return cls(file=file, status=image.status, error=image.error, boxes=boxes)
