"""What has happened, for those who watch: past-tense facts, published after the commit that made them true.

A family: each kind of thing that events tell of has a class of its own, and all go by one codec, to whoever keeps
them or passes them on (``event_to_values``, ``event_from_values``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar, Self

from domain.ids import DetailId, FileId, InstructionId, OwnerId, UploadId

_MAX_NAME = 1024  # letters: a name is told for display, and messages have their bounds


@dataclass(frozen=True, slots=True)
class Event(ABC):
    """``type`` is what happened, such as ``upload.created``: the word before the dot names the class.

    What does not pass is told at least once: a crash may have it told again, perhaps after what happened next. Who
    counts tells repeats by their ``id``; who shows a state tells by its ``time``, or by what states may follow, what is
    older than what they show.
    """

    family: ClassVar[str]

    type: StrEnum
    time: datetime

    @property
    def id(self) -> str:
        """The same whoever tells it, and however often."""
        return event_id(self.type, self.subject, self.time)

    @property
    @abstractmethod
    def subject(self) -> str:
        """The id of what it tells of."""

    @property
    @abstractmethod
    def is_passing(self) -> bool:
        """Whether the next event of its subject tells all that this one does: who is slow needs only the newest."""

    @abstractmethod
    def to_values(self) -> dict[str, str | int | None]:
        """All but type and time."""

    @classmethod
    @abstractmethod
    def of_values(cls, type_: str, time: datetime, values: Mapping[str, Any]) -> Self:
        """Raises:
        ValueError, TypeError, KeyError: not what ``to_values`` gave, or of a version to come.
        """


def event_id(type_: str, subject: str, time: datetime) -> str:
    """128 bits as 32 hex digits."""
    return sha256(f"{type_} {subject} {time.astimezone(UTC).isoformat()}".encode()).hexdigest()[:32]


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
class UploadEvent(Event):
    """One upload as it stood at ``time``. ``offset`` counts durable bytes."""

    family = "upload"

    type: EventType
    upload_id: UploadId
    watch_id: str
    owner: OwnerId
    filename: str
    offset: int
    length: int | None
    state: str

    @property
    def subject(self) -> str:
        return self.upload_id

    @property
    def is_passing(self) -> bool:
        return self.type is EventType.PROGRESS

    def to_values(self) -> dict[str, str | int | None]:
        return {
            "upload_id": self.upload_id,
            "watch_id": self.watch_id,
            "owner": self.owner,
            "filename": self.filename[:_MAX_NAME],
            "offset": self.offset,
            "length": self.length,
            "state": self.state,
        }

    @classmethod
    def of_values(cls, type_: str, time: datetime, values: Mapping[str, Any]) -> Self:
        return cls(
            type=EventType(type_),
            time=time,
            upload_id=UploadId(str(values["upload_id"])),
            watch_id=str(values["watch_id"]),
            owner=OwnerId(str(values["owner"])),
            filename=str(values["filename"]),
            offset=int(values["offset"]),
            length=None if values["length"] is None else int(values["length"]),
            state=str(values["state"]),
        )


class ImageEventType(StrEnum):
    PROCESSING = "image.processing"
    DONE = "image.done"
    FAILED = "image.failed"


@dataclass(frozen=True, slots=True)
class ImageEvent(Event):
    """What has become of the image that an upload brought. ``error``: of a failed one, in words for a person."""

    family = "image"

    type: ImageEventType
    upload_id: FileId
    watch_id: str
    owner: OwnerId
    filename: str
    status: str
    error: str

    @property
    def subject(self) -> str:
        return self.upload_id

    @property
    def is_passing(self) -> bool:
        return False

    def to_values(self) -> dict[str, str | int | None]:
        return {
            "upload_id": self.upload_id,
            "watch_id": self.watch_id,
            "owner": self.owner,
            "filename": self.filename[:_MAX_NAME],
            "status": self.status,
            "error": self.error,
        }

    @classmethod
    def of_values(cls, type_: str, time: datetime, values: Mapping[str, Any]) -> Self:
        return cls(
            type=ImageEventType(type_),
            time=time,
            upload_id=FileId(str(values["upload_id"])),
            watch_id=str(values["watch_id"]),
            owner=OwnerId(str(values["owner"])),
            filename=str(values["filename"]),
            status=str(values["status"]),
            error=str(values["error"]),
        )


class InstructionEventType(StrEnum):
    DETAIL = "instruction.detail"


@dataclass(frozen=True, slots=True)
class InstructionEvent(Event):
    """What has become of an instruction's detail: an input, by its id. ``error``: of one that failed, in words for a
    person."""

    family = "instruction"

    type: InstructionEventType
    instruction_id: InstructionId
    detail_id: DetailId
    owner: OwnerId
    file_name: str
    status: str
    error: str

    @property
    def subject(self) -> str:
        return self.detail_id

    @property
    def is_passing(self) -> bool:
        return False

    def to_values(self) -> dict[str, str | int | None]:
        return {
            "instruction_id": self.instruction_id,
            "detail_id": self.detail_id,
            "owner": self.owner,
            "file_name": self.file_name[:_MAX_NAME],
            "status": self.status,
            "error": self.error,
        }

    @classmethod
    def of_values(cls, type_: str, time: datetime, values: Mapping[str, Any]) -> Self:
        return cls(
            type=InstructionEventType(type_),
            time=time,
            instruction_id=InstructionId(str(values["instruction_id"])),
            detail_id=DetailId(str(values["detail_id"])),
            owner=OwnerId(str(values["owner"])),
            file_name=str(values["file_name"]),
            status=str(values["status"]),
            error=str(values["error"]),
        )


_FAMILIES: Mapping[str, type[Event]] = {kind.family: kind for kind in (UploadEvent, ImageEvent, InstructionEvent)}


def event_to_values(event: Event) -> dict[str, str | int | None]:
    """As JSON can have it; the keys are for good, for other versions read them."""
    return {"type": event.type, "time": event.time.isoformat(), **event.to_values()}


def event_from_values(values: Mapping[str, Any]) -> Event:
    """Raises:
    ValueError, TypeError, KeyError: not an event, or one of a version to come.
    """
    type_ = str(values["type"])
    return _FAMILIES[type_.partition(".")[0]].of_values(type_, datetime.fromisoformat(values["time"]), values)
