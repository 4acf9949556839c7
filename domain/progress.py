"""How an upload is getting on for those who watch it: what is news, how fast it goes, how often to tell.

No clock in here: times are passed in, ``at`` in seconds that only grow.
"""

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from domain.events import EventType, ImageEvent, ImageEventType, UploadEvent, event_id
from domain.ids import UploadId
from domain.image import Image
from domain.upload import Upload
from domain.upload_state import UploadState

_S = UploadState
_OVER = frozenset({_S.COMPLETED, _S.ABORTED, _S.EXPIRED})
_RANKS = {_S.PENDING: 0, _S.RECEIVING: 1, _S.ASSEMBLING: 2, _S.FAILED: 2} | dict.fromkeys(_OVER, 3)
_TYPES = {
    _S.COMPLETED: EventType.COMPLETED,
    _S.FAILED: EventType.FAILED,
    _S.ABORTED: EventType.ABORTED,
    _S.EXPIRED: EventType.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one upload stands. ``born`` is when it began; None if we only heard of it later. ``event_id``: of the event
    that brought it there, unless that was one that passes."""

    upload_id: UploadId
    filename: str
    offset: int
    length: int | None
    state: UploadState
    time: datetime
    born: datetime | None
    event_id: str = ""

    @classmethod
    def of_upload(cls, upload: Upload, now: datetime) -> Self:
        type_ = _TYPES.get(upload.state)
        return cls(
            upload_id=upload.id,
            filename=upload.draft.metadata.filename,
            offset=upload.offset,
            length=upload.length,
            state=upload.state,
            time=now,
            born=upload.created_at,
            event_id=event_id(type_, upload.id, upload.updated_at) if type_ else "",
        )

    @classmethod
    def of_event(cls, event: UploadEvent) -> Self:
        return cls(
            upload_id=event.upload_id,
            filename=event.filename,
            offset=event.offset,
            length=event.length,
            state=UploadState(event.state),
            time=event.time,
            born=event.time if event.type is EventType.CREATED else None,
            event_id="" if event.is_passing else event.id,
        )

    @property
    def is_over(self) -> bool:
        return self.state in _OVER

    @property
    def type(self) -> EventType:
        """The event that tells of this state, for whoever missed the real one."""
        return _TYPES.get(self.state, EventType.PROGRESS)

    @property
    def percent(self) -> float | None:
        """Two decimals; 100 only when every byte is there; None while the length is not known."""
        if self.length is None:
            return None
        if self.offset >= self.length:
            return 100.0
        return min(99.99, round(self.offset * 100 / self.length, 2))

    def eta_seconds(self, bytes_per_second: int) -> float | None:
        """Seconds until the last byte at that speed; None where nobody can tell."""
        if self.length is None or self.state in (_S.ABORTED, _S.EXPIRED):
            return None
        left = self.length - self.offset
        if left <= 0:
            return 0.0
        return round(left / bytes_per_second, 1) if bytes_per_second > 0 else None

    def shows_same(self, other: "Standing") -> bool:
        """Whether nobody could tell the two apart by what they are shown."""
        return (self.upload_id, self.offset, self.length, self.state, self.filename) == (
            other.upload_id,
            other.offset,
            other.length,
            other.state,
            other.filename,
        )


@dataclass(frozen=True, slots=True)
class ImageStanding:
    """What has become of the picture that an upload brought."""

    upload_id: str
    filename: str
    type: ImageEventType
    status: str
    error: str
    time: datetime

    @classmethod
    def of_image(cls, image: Image, upload: Upload) -> "ImageStanding | None":
        """None: nothing yet."""
        if image.event_type is None:
            return None
        filename, time = upload.draft.metadata.filename, image.updated_at
        return cls(upload.id, filename, image.event_type, image.status, image.error, time)

    @classmethod
    def of_event(cls, event: ImageEvent) -> Self:
        return cls(event.upload_id, event.filename, event.type, event.status, event.error, event.time)

    @property
    def event_id(self) -> str:
        return event_id(self.type, self.upload_id, self.time)

    def is_news_after(self, known: "ImageStanding | None") -> bool:
        return known is None or known.upload_id != self.upload_id or self.time > known.time


def advance(known: Standing, heard: Standing) -> Standing | None:
    """What to show once ``heard`` has come in after ``known``; None if that is no news.

    Reports may come late, twice or out of order: the offset never goes back, and nothing follows an end.
    """
    if heard.upload_id != known.upload_id:
        return heard if _is_successor(known, heard) else None
    if known.is_over or _RANKS[heard.state] < _RANKS[known.state]:
        return None
    takes_turns = _RANKS[heard.state] == _RANKS[known.state] and heard.state is not known.state
    if takes_turns and heard.time < known.time:
        return None  # of ASSEMBLING and FAILED the later one counts
    shown = replace(
        heard,
        offset=max(known.offset, heard.offset),
        length=known.length if heard.length is None else heard.length,
        born=known.born or heard.born,
    )
    failed_again = heard.state is _S.FAILED and heard.time > known.time
    return None if shown.shows_same(known) and not failed_again else shown


def _is_successor(known: Standing, heard: Standing) -> bool:
    """Whether ``heard`` is of a newer upload under the same watch id (a form sent again, its next file)."""
    if heard.born is not None:
        return heard.born > (known.born or known.time)
    return known.is_over and heard.time > known.time


class RateMeter:
    """Bytes a second over the last few seconds, from offsets noted now and then."""

    _WINDOW = 5.0
    _SPACING = 0.1
    _MEMORY = 30.0
    """A silence longer than this is a pause: the bytes of before say nothing about the speed of now."""
    _LEAST_SPAN = 0.5
    """A burst right after the first note would look fantastically fast otherwise."""

    __slots__ = ("_notes",)

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int]] = deque()  # about _WINDOW / _SPACING of them

    def note(self, at: float, offset: int) -> None:
        notes = self._notes
        if notes and at - notes[-1][0] > self._MEMORY:
            notes.clear()
        if len(notes) > 1 and at - notes[-2][0] < self._SPACING:
            notes.pop()
        notes.append((at, offset))
        while len(notes) > 2 and notes[1][0] <= at - self._WINDOW:
            notes.popleft()

    def bytes_per_second(self) -> int:
        """0 before there is anything to compare."""
        if len(self._notes) < 2:
            return 0
        (first_at, first_offset), (last_at, last_offset) = self._baseline(), self._notes[-1]
        return max(0, int((last_offset - first_offset) / max(last_at - first_at, self._LEAST_SPAN)))

    def _baseline(self) -> tuple[float, int]:
        first, second, last = self._notes[0], self._notes[1], self._notes[-1]
        # After a short silence the new speed counts as soon as it can be told.
        if last[0] - first[0] > self._WINDOW and last[0] - second[0] >= self._LEAST_SPAN:
            return second
        return first


class Gate:
    """Lets one through per ``interval`` seconds."""

    __slots__ = ("_interval", "_opens")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._opens = float("-inf")

    def wait(self, at: float) -> float:
        """Seconds until the next may pass; 0: now."""
        # Bounded, so that a clock that jumped can't shut the gate for long.
        return min(self._interval, max(0.0, self._opens - at))

    def passed(self, at: float) -> None:
        self._opens = at + self._interval
