"""Work that is done later by a worker: written down with the change that asks for it, and done at least once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zlib import crc32

from domain.events import Event
from domain.ids import JobId
from domain.trace import Trace


class JobState(StrEnum):
    """One that is done is not kept."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DEAD = "DEAD"
    """It failed too often, and waits for somebody to look at it."""


def family_of(kind: str) -> str:
    """What kinds have in common of which there is one for each receiver (``webhook:…``)."""
    return kind.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Job:
    """``kind`` says who does it, ``subject`` what to: the id of an image, say. ``payload``: what else has to be known,
    and is kept nowhere else.

    ``attempts`` counts those that were begun, so that one that takes its worker down with it counts, too. ``token`` is
    the lease's of whoever is at it; empty where nobody is. ``due_at``: no sooner; of a running one, when its lease
    runs out.
    """

    id: JobId
    kind: str
    subject: str
    created_at: datetime
    due_at: datetime
    state: JobState = JobState.QUEUED
    attempts: int = 0
    token: str = ""
    error: str = ""
    payload: str = ""
    trace: Trace | None = None
    """Of what caused it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When jobs of one kind are tried again. ``pauses``: seconds after each attempt but the last one.

    ``spread``: by how much of itself a pause may be longer, so that what failed together does not come back together.
    """

    pauses: tuple[float, ...] = (2.0, 4.0)
    spread: float = 0.0

    @property
    def attempts(self) -> int:
        """How often a job is begun at most."""
        return len(self.pauses) + 1

    def is_spent(self, job: Job) -> bool:
        """Whether it was begun more often than it may be: its workers have died of it."""
        return job.attempts > self.attempts

    def pause_seconds(self, job: Job) -> float | None:
        """Until the next attempt; None: there is none."""
        if job.attempts >= self.attempts:
            return None
        chance = crc32(f"{job.id} {job.attempts}".encode()) / 2**32  # the same for the same attempt, whoever asks
        return self.pauses[max(0, job.attempts - 1)] * (1 + self.spread * chance)


USUAL = Schedule()

JobsOf = Callable[[Event], Sequence[Job]]
"""What is to be done about an event: written down with it, of which no worker is told but by the event itself. To be
asked in the context in which the event came about."""


def nothing_to_do(_: Event) -> Sequence[Job]:
    return ()
