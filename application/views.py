"""What use cases hand out: frozen copies, so that no caller holds a live entity."""

from dataclasses import dataclass
from datetime import datetime

from domain.file import File
from domain.ids import DetailId, FileId, InstructionId, OwnerId, UploadId, file_id_of
from domain.image import Image, ImageStatus
from domain.instruction import Detail, DetailFile, DetailStatus
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


@dataclass(frozen=True, slots=True)
class DetailView:
    """One side of a detail: its input, or what comes of that. ``file`` is None as long as there is none, and
    ``output_id`` for an output; ``is_cleaned``: its bytes have been taken away, for they were needed no more."""

    id: DetailId
    instruction_id: InstructionId
    file: DetailFile | None
    status: DetailStatus
    output_id: DetailId | None
    error: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_cleaned: bool

    @classmethod
    def both(cls, detail: Detail) -> "tuple[DetailView, DetailView]":
        """The input and the output."""
        return cls.input(detail), cls._of(detail, detail.output_id, detail.output, None)

    @classmethod
    def input(cls, detail: Detail) -> "DetailView":
        return cls._of(detail, detail.id, detail.input, detail.output_id)

    @classmethod
    def _of(
        cls, detail: Detail, detail_id: DetailId, file: DetailFile | None, output_id: DetailId | None
    ) -> "DetailView":
        return cls(
            id=detail_id,
            instruction_id=detail.instruction_id,
            file=file,
            status=detail.status,
            output_id=output_id,
            error=detail.error,
            created_at=detail.created_at,
            updated_at=detail.updated_at,
            started_at=detail.started_at,
            finished_at=detail.finished_at,
            is_cleaned=detail.is_cleaned and output_id is not None,
        )
