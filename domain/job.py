"""Work that is done later by a worker: written down with the change that asks for it, and done at least once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.ids import JobId

MAX_ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 2.0


class JobState(StrEnum):
    """One that is done is not kept."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DEAD = "DEAD"
    """It failed too often, and waits for somebody to look at it."""


@dataclass(frozen=True, slots=True)
class Job:
    """``kind`` says who does it, ``subject`` what to: the id of an image, say.

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

    @property
    def is_spent(self) -> bool:
        """Whether it was begun more often than it may be: its workers have died of it."""
        return self.attempts > MAX_ATTEMPTS

    @property
    def may_be_tried_again(self) -> bool:
        return self.attempts < MAX_ATTEMPTS

    def pause_seconds(self, first: float = FIRST_PAUSE_SECONDS) -> float:
        """Until the next attempt: ``first`` after the first one, then twice as long each time."""
        return first * 2.0 ** max(0, self.attempts - 1)
