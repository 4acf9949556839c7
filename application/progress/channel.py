"""One upload that somebody watches: its newest standing, who watches, and how often they are told."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from application.progress.fan_out import FanOut, Listener
from application.progress.messages import (
    SNAPSHOT,
    Encode,
    ProgressMessage,
    Subscriber,
    image_message,
    progress_message,
)
from application.progress.readings import Reading
from domain.access import ADMINISTRATOR, Principal
from domain.events import EventType
from domain.ids import OwnerId
from domain.progress import Gate, ImageStanding, RateMeter, Standing, advance
from ports.clock import Clock
from ports.upload_repository import Wanted

_INTERVAL = 0.125
"""Eight a second and two changes of state make ten messages a second of one upload: more is too much for a watcher."""


class Numbers:
    """Sequence numbers: one row for all uploads of a process, ahead of earlier processes by the wall clock.

    In microseconds: a busy server makes more than a message a millisecond, and would run ahead of its clock.
    One row for all, so that ``Last-Event-ID`` of a stream of many uploads means the same for each of them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, _microseconds(self._clock.now()))
        return self._last


class Numbered(NamedTuple):
    """A standing, what was told of its image with it, and the sequence number of the message that showed this first."""

    standing: Standing
    number: int
    image: ImageStanding | None = None


class Watch(Listener):
    """One subscriber's wish to see one id. ``channel`` is None before an upload was found under it."""

    __slots__ = ("channel", "is_reading", "of_scope", "principal", "since", "snapshot", "watch_id")

    def __init__(self, subscriber: Subscriber, principal: Principal, watch_id: str, *, of_scope: bool) -> None:
        super().__init__(subscriber)
        self.principal = principal
        self.watch_id = watch_id
        self.of_scope = of_scope
        self.channel: Channel | None = None
        self.is_reading = True
        self.since = 0
        self.snapshot: Standing | None = None

    @property
    def wanted(self) -> Wanted:
        """What has to be read for it: the same for all administrators, who see everybody's."""
        return self.watch_id, ADMINISTRATOR if self.principal.is_admin else self.principal


class Channel:
    """Uploads of one owner under one watch id: the newest of them counts."""

    def __init__(
        self,
        watch_id: str,
        owner: OwnerId,
        *,
        clock: Clock,
        numbers: Numbers,
        encode: Encode,
        fan_out: FanOut,
        on_over: "Callable[[Channel], None]",
    ) -> None:
        self.watch_id = watch_id
        self.owner = owner
        self.watches: dict[Watch, None] = {}
        self.standing: Standing | None = None
        self.image: ImageStanding | None = None
        """Of the picture that it brought, or one before it did."""
        self.numbered: Numbered | None = None
        self.reading: Reading | None = None
        """The last one that was taken in: one is for many."""
        self.read_at = float("-inf")
        """When the repository told of it last; that, and all that was heard since it was asked, is taken in."""
        self.chosen_at = float("-inf")
        """When this was last found to be the newest of all owners' uploads under the id: what administrators see."""
        self._clock = clock
        self._numbers = numbers
        self._encode = encode
        self._fan_out = fan_out
        self._on_over = on_over
        self._gate = Gate(_INTERVAL)
        self._meter = RateMeter()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: _Telling | None = None
        self._told = 0
        self._snapshot: ProgressMessage | None = None
        self._snapshot_of: tuple[Standing | None, ImageStanding | None] = (None, None)

    def hear(self, heard: Standing, type_: EventType) -> bool:
        """Take a report in, whatever its age, and tell the watchers if it is news; return whether it was."""
        known = self.standing
        shown = heard if known is None else advance(known, heard)
        if shown is None:
            return False
        if known is None or shown.upload_id != known.upload_id:
            self._meter = RateMeter()
        self.standing = shown
        self._meter.note(self._clock.monotonic(), shown.offset)
        # What the state says counts: an end is told as an end, however we heard of it.
        told_as = type_ if shown.type is EventType.PROGRESS else shown.type
        is_change = known is None or (shown.upload_id, shown.state) != (known.upload_id, known.state)
        if told_as is not EventType.PROGRESS or is_change:
            self._tell(told_as, shown)
        elif self._timer is None:
            self._tell_at_gate(shown)
        return True

    def hear_image(self, heard: ImageStanding) -> None:
        """Tell what has become of a picture, if it is news, to all but those who watch unasked: they may be gone from
        here by then."""
        if not heard.is_news_after(self.image):
            return
        self.image = heard
        if self.watches:
            self._told += 1
            self._fan_out.add(_ImageTelling(self, heard, self._told).begin, lambda: None)

    def is_read(self, principal: Principal, *, since: float) -> bool:
        """Whether it was read ``since`` that time which upload ``principal`` is to see; what came then was heard."""
        return (self.chosen_at if principal.is_admin else self.read_at) > since

    def was_read(self, at: float, principal: Principal) -> None:
        """All that the repository knew then was heard, and what came since: ``principal`` wished for it by then."""
        self.read_at = max(self.read_at, at)
        if principal.is_admin:
            self.chosen_at = max(self.chosen_at, at)

    def join(self, watch: Watch) -> None:
        if watch.channel is not None:
            watch.channel.watches.pop(watch, None)
        watch.channel = self
        watch.since = 0  # each channel counts for itself
        self.watches[watch] = None

    def snapshot(self, watch: Watch, after: int | None, *, is_first: bool = False) -> ProgressMessage | None:
        """What to send ``watch`` to show it the newest standing; None if message ``after`` or an older one showed it.

        ``is_first``: its reader has been told nothing yet, so it may have what others like it have.
        """
        standing = self.standing
        if standing is None:
            return None
        self._told += 1
        watch.since = self._told
        first = self._first_number(standing)
        if first is not None and after is not None and first <= after:
            return None
        watch.snapshot = standing
        if not is_first:
            return self.message(SNAPSHOT, standing)
        shown = (standing, self._image_of(standing))
        if self._snapshot is None or self._snapshot_of != shown:
            # Once for all who come, with the number of what showed the same first: less than any that is to come.
            self._snapshot, self._snapshot_of = self.message(SNAPSHOT, standing, number=first), shown
        return self._snapshot

    def message(self, type_: str, standing: Standing, *, number: int | None = None) -> ProgressMessage:
        image = self._image_of(standing) if type_ == SNAPSHOT else None
        if number is None:
            number = self._numbers.next()
            if self._first_number(standing) is None:
                self.numbered = Numbered(standing, number, image)
        return progress_message(
            self._encode,
            standing,
            watch_id=self.watch_id,
            type_=type_,
            sequence=number,
            bytes_per_second=self._meter.bytes_per_second(),
            image=image,
        )

    def image_message(self, image: ImageStanding) -> ProgressMessage:
        number = self._numbers.next()
        if self.standing is not None and self._image_of(self.standing) is image:
            self.numbered = Numbered(self.standing, number, image)
        return image_message(self._encode, image, watch_id=self.watch_id, sequence=number)

    def began(self, telling: "_Telling") -> None:
        if self._waiting is telling:
            self._waiting = None

    def told(self) -> None:
        if self.is_over:
            self._on_over(self)

    @property
    def is_over(self) -> bool:
        """Whether all has been told, up to the end."""
        return self.standing is not None and self.standing.is_over and self._waiting is None

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _first_number(self, standing: Standing) -> int | None:
        known = self.numbered
        if known is None or (known.image is not self.image and known.image != self._image_of(standing)):
            return None
        return known.number if standing is known.standing or standing.shows_same(known.standing) else None

    def _image_of(self, standing: Standing) -> ImageStanding | None:
        image = self.image
        return image if image is not None and image.upload_id == standing.upload_id else None

    def _tell_at_gate(self, standing: Standing) -> None:
        wait = self._gate.wait(self._clock.monotonic())
        if wait > 0:
            self._timer = asyncio.get_running_loop().call_later(wait, self._tell_newest)
        else:
            self._tell(EventType.PROGRESS, standing)

    def _tell_newest(self) -> None:
        self._timer = None
        if self.standing:
            self._tell(EventType.PROGRESS, self.standing)

    def _tell(self, type_: EventType, standing: Standing) -> None:
        self.close()
        self._gate.passed(self._clock.monotonic())
        if not self.watches:
            return
        if type_ is EventType.PROGRESS and self._waiting and self._waiting.type is EventType.PROGRESS:
            return  # it has not begun and will show the newest
        self._told += 1
        self._waiting = _Telling(self, type_, standing, self._told)
        self._fan_out.add(self._waiting.begin, self.told)


class _Telling:
    """A change of state is told as it was, to those who watched by then; progress as it is by now."""

    __slots__ = ("_channel", "_number", "_standing", "type")

    def __init__(self, channel: Channel, type_: EventType, standing: Standing, number: int) -> None:
        self.type = type_
        self._channel = channel
        self._standing = standing
        self._number = number

    def begin(self) -> tuple[ProgressMessage | None, Sequence[Watch]]:
        channel = self._channel
        channel.began(self)
        if self.type is not EventType.PROGRESS:
            watches = [watch for watch in channel.watches if watch.since < self._number]
            return channel.message(self.type, self._standing), watches
        newest = channel.standing or self._standing
        if newest.type is not EventType.PROGRESS:
            return None, ()  # a message of its own follows
        watches = [watch for watch in channel.watches if watch.snapshot is not newest]
        return channel.message(self.type, newest), watches


class _ImageTelling:
    __slots__ = ("_channel", "_image", "_number")

    def __init__(self, channel: Channel, image: ImageStanding, number: int) -> None:
        self._channel = channel
        self._image = image
        self._number = number

    def begin(self) -> tuple[ProgressMessage | None, Sequence[Watch]]:
        channel = self._channel
        watches = [watch for watch in channel.watches if watch.since < self._number and not watch.of_scope]
        return channel.image_message(self._image), watches


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)
