"""A stored file that is a picture, on its way to thumbnails: NEW, PROCESSING, then DONE or ERROR."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from domain.events import ImageEvent, ImageEventType
from domain.file import File
from domain.ids import FileId
from domain.rendition import Box, Rendition

THUMBNAILS = "thumbnails"
"""The kind of job that draws them; its subject is the image's id."""


class ImageStatus(StrEnum):
    NEW = "NEW"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    ERROR = "ERROR"


@dataclass(slots=True, eq=False)
class Image:
    """It bears the id of the file that it is of. ``watch_id``: as the upload's that the file came by. ``error``: why it
    has no thumbnails, in words for a person; empty unless its status is ERROR."""

    id: FileId
    watch_id: str
    created_at: datetime
    updated_at: datetime
    status: ImageStatus = ImageStatus.NEW
    error: str = ""
    renditions: tuple[Rendition, ...] = ()

    @classmethod
    def of(cls, file: File, watch_id: str, now: datetime) -> Self:
        return cls(id=file.id, watch_id=watch_id, created_at=now, updated_at=now)

    @property
    def is_over(self) -> bool:
        return self.status in (ImageStatus.DONE, ImageStatus.ERROR)

    @property
    def may_be_queued(self) -> bool:
        return self.status in (ImageStatus.NEW, ImageStatus.ERROR)

    def rendition(self, box: Box) -> Rendition | None:
        return next((rendition for rendition in self.renditions if rendition.box is box), None)

    def queue(self, now: datetime) -> None:
        """A job is to draw its thumbnails, perhaps once more."""
        self._become(ImageStatus.PROCESSING, "", now)

    def finish(self, renditions: Sequence[Rendition], now: datetime) -> None:
        self.renditions = tuple(renditions)
        self._become(ImageStatus.DONE, "", now)

    def fail(self, error: str, now: datetime) -> None:
        self._become(ImageStatus.ERROR, error, now)

    @property
    def event_type(self) -> ImageEventType | None:
        """What tells of its status."""
        return _EVENTS.get(self.status)

    def event(self, file: File) -> ImageEvent:
        """What has just become of it."""
        return ImageEvent(
            type=_EVENTS[self.status],
            time=self.updated_at,
            upload_id=file.id,
            watch_id=self.watch_id,
            owner=file.owner,
            filename=file.name,
            status=self.status,
            error=self.error,
        )

    def _become(self, status: ImageStatus, error: str, now: datetime) -> None:
        # Those who watch tell by the time which is news, and the clocks of two machines differ.
        self.updated_at = max(now, self.updated_at + timedelta(microseconds=1))
        self.status, self.error = status, error


_EVENTS = {
    ImageStatus.PROCESSING: ImageEventType.PROCESSING,
    ImageStatus.DONE: ImageEventType.DONE,
    ImageStatus.ERROR: ImageEventType.FAILED,
}
