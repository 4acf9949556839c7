"""Events that wait to be told to other processes: what a notifier holds while it is on its way, or can't be."""

from collections import OrderedDict, deque

from domain.events import Event

_MAX_WAITING = 10_000


class Outgoing:
    """Changes of state in their order, then the newest progress of each upload.

    Of too many the oldest are left out, and a gap is noted, so that the others read for themselves.
    """

    def __init__(self) -> None:
        self._has_gap = False
        self._changes: deque[Event] = deque()
        self._progress: OrderedDict[str, Event] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._changes or self._progress or self._has_gap)

    def add(self, event: Event) -> None:
        if event.is_passing:
            self._progress[event.subject] = event
            if len(self._progress) > _MAX_WAITING:
                self._progress.popitem(last=False)
                self._has_gap = True
        else:
            self._progress.pop(event.subject, None)  # the change tells how far it got, too
            self._changes.append(event)
            if len(self._changes) > _MAX_WAITING:
                self._changes.popleft()
                self._has_gap = True

    def take(self, *, with_progress: bool) -> tuple[bool, list[Event]]:
        """Whether there was a gap, and what there is to be sent; taken out."""
        has_gap, self._has_gap = self._has_gap, False
        taken = list(self._changes)
        self._changes.clear()
        if with_progress:
            taken += self._progress.values()
            self._progress.clear()
        return has_gap, taken

    def put_back(self, events: list[Event], *, has_gap: bool) -> None:
        """Events that may not have been sent: twice is no harm, not at all would be."""
        self._has_gap |= has_gap
        changed = {event.subject for event in self._changes}
        for event in reversed(events):
            if not event.is_passing:
                self._changes.appendleft(event)
            elif event.subject not in changed:
                self._progress.setdefault(event.subject, event)
