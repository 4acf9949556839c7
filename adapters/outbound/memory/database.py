"""What the memory repositories, ledger and lock share, in place of a database."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.outbound.memory.leases import LeaseState
from domain.byte_range import Extent, ReceivedRanges
from domain.events import Event
from domain.file import File
from domain.ids import BlobKey, DetailId, FileId, InstructionId, JobId, OwnerId, UploadId
from domain.image import Image
from domain.instruction import Detail, Instruction
from domain.job import Job
from domain.notification import Notification, is_notifying
from domain.received_image import ImageSession, ReceivedImage
from domain.upload import Upload


@dataclass(slots=True)
class MemoryDatabase:
    """Everything committed. What goes in or out of ``uploads`` is copied: no caller has the kept entity."""

    uploads: dict[UploadId, Upload] = field(default_factory=dict)
    received: dict[UploadId, list[Extent]] = field(default_factory=dict)
    files: dict[FileId, File] = field(default_factory=dict)
    images: dict[FileId, Image] = field(default_factory=dict)
    received_images: dict[tuple[ImageSession, int], ReceivedImage] = field(default_factory=dict)
    instructions: dict[InstructionId, Instruction] = field(default_factory=dict)
    details: dict[DetailId, Detail] = field(default_factory=dict)
    jobs: dict[JobId, Job] = field(default_factory=dict)
    blob_deletions: dict[BlobKey, datetime] = field(default_factory=dict)
    holdings: dict[OwnerId, "Holding"] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)
    leases: dict[UploadId, LeaseState] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    notified: int = 0
    """How many there have been."""

    def notify(self, events: Iterable[Event]) -> None:
        for event in events:
            if is_notifying(event):
                self.notified += 1
                self.notifications.append(Notification(self.notified, event))


@dataclass(slots=True)
class Holding:
    """What one owner has, so that nobody has to look for it among what all others have."""

    open_uploads: set[UploadId] = field(default_factory=set)
    files: int = 0
    bytes: int = 0
    """Of files alone."""


def copy_of(upload: Upload, received: list[Extent]) -> Upload:
    return replace(upload, received=ReceivedRanges(received), _unfolded=len(received))
