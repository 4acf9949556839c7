"""What the clients write down: answers, times, promises, and whatever they did not expect."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One request that succeeded, on the monotonic clock. ``asked_at``: where it was asked for the first time."""

    what: str
    began: float
    ended: float
    asked_at: float
    about: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was acknowledged whole and has to be there for its owner to the end."""

    owner: str
    path: str
    sha256: str
    how: str


@dataclass(slots=True)
class Records:
    over: threading.Event = field(default_factory=threading.Event)
    """Set: nobody begins anything new, and what is under way is brought to its end without pauses, and not timed."""
    samples: list[Sample] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By who asked and status; 0: the connection was cut."""
    retried: Counter[str] = field(default_factory=Counter)
    surprises: Counter[str] = field(default_factory=Counter)
    """Answers that an ordinary client takes for the last word, and those that nobody should get."""
    gave_up: Counter[str] = field(default_factory=Counter)
    """Clients that tried as often as ordinary ones do, without success."""
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept."""
    errors: list[str] = field(default_factory=list)
    """Clients that fell over: the crowd's own faults."""
    done: Counter[str] = field(default_factory=Counter)
    """Errands that were brought to their end."""
    kept: list[Kept] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    """Owner and path of files whose deletion was acknowledged."""
    images: dict[str, str] = field(default_factory=dict)
    details: dict[tuple[str, str], str] = field(default_factory=dict)
    """By instruction and its own id: the owner."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set: everybody else has come to an end, and those who listen may."""
    listeners: set[str] = field(default_factory=set)
    """Owners of whom somebody listens to their notifications from the beginning to the end."""
    notified: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By listener and detail: how often it was told that it is done."""
    acknowledged_bytes: int = 0
    live: dict[str, str] = field(default_factory=dict)
    """Uploads under way that stay to be seen to their end, with their owners."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sample(self, what: str, began: float, asked_at: float, about: str) -> None:
        sample = Sample(what, began, time.monotonic(), asked_at, about)
        if not self.over.is_set():
            with self._lock:
                self.samples.append(sample)

    def answer(self, who: str, status: int) -> None:
        with self._lock:
            self.answers[who, status] += 1

    def count(self, counter: Counter[str], what: str) -> None:
        with self._lock:
            counter[what] += 1

    def acknowledge(self, size: int) -> None:
        with self._lock:
            self.acknowledged_bytes += size

    def unnotified(self, owner: str) -> Sequence[str]:
        """Details of the listener of whose end it has not been told."""
        with self._lock:
            mine = [detail_id for (_, detail_id), its_owner in self.details.items() if its_owner == owner]
        return [detail_id for detail_id in mine if not self.notified[owner, detail_id]]

    def picked(self) -> Sequence[Kept]:
        with self._lock:
            return self.kept[-200:]

    def watched(self) -> Sequence[tuple[str, str]]:
        with self._lock:
            return list(self.live.items())


@dataclass(slots=True)
class Faults:
    """Stretches of time in which something was cut off. ``aftermath``: how many seconds more it may be felt."""

    aftermath: float = 5.0
    stretches: list[tuple[float, float, str]] = field(default_factory=list)

    def note(self, began: float, ended: float, what: str) -> None:
        self.stretches.append((began, ended, what))

    def when(self, began: float, ended: float) -> str:
        """``during`` a cut, ``after`` one, or in the ``calm``: at worst."""
        phase = "calm"
        for start, stop, _ in self.stretches:
            if began < stop and ended > start:
                return "during"
            if began < stop + self.aftermath and ended > start:
                phase = "after"
        return phase
