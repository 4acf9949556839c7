"""A batch of work for one owner: an instruction says what is to be done, each of its details is a file to do it to.

What can be done is in ``product.py``; a worker does it (``application/instruction/editing.py``).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.access import Principal
from domain.errors import Forbidden
from domain.events import InstructionEvent, InstructionEventType
from domain.file import File
from domain.ids import DetailId, FileId, InstructionId, OwnerId
from domain.product import Recipe

EDIT = "instruction"
"""The kind of job that works on a detail; its subject is the detail's id."""
MAX_DETAILS = 1000
"""Of one instruction."""


class DetailStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        return self in (DetailStatus.DONE, DetailStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Instruction:
    """``status`` is that of its details taken together, and ``updated_at`` the latest of theirs."""

    id: InstructionId
    owner: OwnerId
    product_id: str
    recipe: Recipe
    created_at: datetime
    updated_at: datetime
    status: DetailStatus = DetailStatus.PENDING

    def check_seen_by(self, principal: Principal) -> None:
        """Raises:
        Forbidden: it is someone else's; that it is there may be known here.
        """
        if not principal.may_see(self.owner):
            raise Forbidden("forbidden")


Place = tuple[datetime, InstructionId]
WaitingPlace = tuple[datetime, DetailId]
"""Where in a list of instructions one is: its creation time and id."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instructions are meant, by status and creation time; ``since`` and ``until`` are both inclusive."""

    status: DetailStatus | None = None
    since: datetime | None = None
    until: datetime | None = None


def taken_together(statuses: Collection[DetailStatus]) -> DetailStatus:
    """PENDING until something is done about one, then PROCESSING until all are over; FAILED if one of them is."""
    if all(status.is_over for status in statuses) and statuses:
        return DetailStatus.FAILED if DetailStatus.FAILED in statuses else DetailStatus.DONE
    is_begun = any(status is not DetailStatus.PENDING for status in statuses)
    return DetailStatus.PROCESSING if is_begun else DetailStatus.PENDING


@dataclass(frozen=True, slots=True)
class DetailFile:
    """What is known of a file even when it is gone; ``size`` in bytes."""

    file_id: FileId
    name: str
    media_type: str
    size: int

    @classmethod
    def of(cls, file: File) -> "DetailFile":
        return cls(file.id, file.name, file.media_type, file.size)


@dataclass(slots=True, eq=False)
class Detail:
    """A file that is to be worked on, and the one that comes of it. Clients see each of the two as a detail, with an id
    of its own and the same status.

    ``is_own``: the input came in for this alone; nothing else needs it. ``error``: why it failed, in words for a
    person; empty unless its status is FAILED.
    """

    id: DetailId
    output_id: DetailId
    instruction_id: InstructionId
    input: DetailFile
    is_own: bool
    created_at: datetime
    updated_at: datetime
    status: DetailStatus = DetailStatus.PENDING
    error: str = ""
    output: DetailFile | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_cleaned: bool = False
    """Whether the input's file has been taken away, for it was needed no more."""

    def begin(self, now: datetime) -> None:
        """A worker is at it, perhaps once more."""
        self._become(DetailStatus.PROCESSING, now)
        self.started_at = self.updated_at

    def finish(self, output: File, now: datetime) -> None:
        self._become(DetailStatus.DONE, now)
        self.output, self.finished_at = DetailFile.of(output), self.updated_at

    def fail(self, error: str, now: datetime) -> None:
        self._become(DetailStatus.FAILED, now)
        self.error, self.finished_at = error, self.updated_at

    def queue(self, now: datetime) -> None:
        """One that failed is to be tried again."""
        self._become(DetailStatus.PENDING, now)
        self.started_at = self.finished_at = None

    def let_go(self) -> None:
        """The input's file has found another use: it is not to be taken away."""
        self.is_own = False

    def clean(self) -> None:
        """The input's file is taken away."""
        self.is_cleaned = True

    def event(self, owner: OwnerId) -> InstructionEvent:
        """What has just become of it. ``owner``: the instruction's."""
        return InstructionEvent(
            type=InstructionEventType.DETAIL,
            time=self.updated_at,
            instruction_id=self.instruction_id,
            detail_id=self.id,
            owner=owner,
            file_name=self.input.name,
            status=self.status,
            error=self.error,
        )

    def _become(self, status: DetailStatus, now: datetime) -> None:
        # Those who watch tell by the time which is news, and the clocks of two machines differ.
        self.updated_at = max(now, self.updated_at + timedelta(microseconds=1))
        self.status, self.error = status, ""
