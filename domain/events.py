"""What has happened, for those who watch: past-tense facts, published after the commit that made them true."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.ids import OwnerId, UploadId


class EventType(StrEnum):
    CREATED = "upload.created"
    PROGRESS = "upload.progress"
    COMPLETED = "upload.completed"
    FAILED = "upload.failed"
    ABORTED = "upload.aborted"
    EXPIRED = "upload.expired"

    @property
    def is_last(self) -> bool:
        """Whether nothing follows for that upload."""
        return self in (EventType.COMPLETED, EventType.ABORTED, EventType.EXPIRED)


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """One upload as it stood at ``time``. ``offset`` counts durable bytes."""

    type: EventType
    time: datetime
    upload_id: UploadId
    watch_id: str
    owner: OwnerId
    filename: str
    offset: int
    length: int | None
    state: str
