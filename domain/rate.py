"""How often something may be done: rates, and what is left of one in a window that moves."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_SEPARATOR = re.compile(r"[,;|]")
_RATE = re.compile(
    r"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*(second|minute|hour|day|month|year)s?\s*", re.ASCII | re.IGNORECASE
)
_UNIT_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 24 * 3600,
    "month": 30 * 24 * 3600,
    "year": 360 * 24 * 3600,
}
GRAIN = 128
"""A window that many hits fit into tells so many moments apart, and no more: what is kept of it stays small."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``amount`` hits in any ``seconds`` that follow each other."""

    amount: int
    seconds: int

    @property
    def block(self) -> int:
        """How many hits may be taken at once for requests that are still to come, soon."""
        return max(1, self.amount // GRAIN)

    @property
    def soon(self) -> float:
        """For so many seconds."""
        return self.seconds / GRAIN


def parse_rates(text: str) -> tuple[Rate, ...]:
    """``600/minute``, ``100 per 2 hours; 5/second``.

    Raises:
        ValueError: it is not written like that.
    """
    rates = []
    for part in _SEPARATOR.split(text):
        found = _RATE.fullmatch(part)
        if found is None:
            raise ValueError("not a rate such as 600/minute")
        amount, multiple, unit = found.groups()
        rates.append(Rate(int(amount), int(multiple or 1) * _UNIT_SECONDS[unit.lower()]))
    return tuple(rates)


class Told(NamedTuple):
    """What a client may be told of a rate: ``left`` of it now, and in how many seconds there is more."""

    rate: Rate
    left: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Wish:
    """``amount`` hits of ``client``, or as many as there are; no fewer than that of each rate. ``made``: hits that were
    made without asking, how many seconds ago and how many."""

    client: str
    rates: Sequence[Rate]
    amount: int = 1
    made: Sequence[tuple[float, int]] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """``amount`` hits, the first to be made at once, the others soon. If none: ``told`` says when there is one."""

    amount: int
    told: Told


@dataclass(slots=True)
class Window:
    """What was taken of one rate: when, in seconds of any clock, and how many; the oldest first."""

    rate: Rate
    hits: list[tuple[float, int]] = field(default_factory=list)

    def let_go(self, now: float) -> None:
        """Of what is over. A hit far ahead was noted before the clock was put back."""
        seconds = self.rate.seconds
        self.hits = [hit for hit in self.hits if now - seconds < hit[0] <= now + seconds]

    def add(self, at: float, count: int) -> None:
        if self.rate.amount > GRAIN:  # a moment later than it was is safe: nobody gets more for it
            grain = self.rate.soon
            at = (at // grain + 1) * grain
        for index, (known, of_then) in enumerate(self.hits):
            if known == at:
                self.hits[index] = (at, of_then + count)
                return
        self.hits.append((at, count))
        self.hits.sort()

    def told(self, now: float) -> Told:
        left, more_at = self.rate.amount - sum(count for _, count in self.hits), now
        going = max(0, -left)  # there is no more before so many have gone
        for more_at, count in self.hits:  # noqa: B007 -- where it stops
            going -= count
            if going < 0:
                break
        return Told(self.rate, max(0, left), more_at + self.rate.seconds - now)


def take(windows: Sequence[Window], amount: int, made: Iterable[tuple[float, int]], now: float) -> Given:
    """Take ``amount`` hits of each of the ``windows``, or as many as there are, after those that were ``made``."""
    for window in windows:
        for ago, count in made:
            window.add(now - ago, count)
        window.let_go(now)
    told = tightest(window.told(now) for window in windows)
    amount = min(amount, told.left)
    if amount > 0:
        for window in windows:
            window.add(now, 1)
            if amount > 1:
                window.add(now + window.rate.soon, amount - 1)
        told = tightest(window.told(now) for window in windows)
    return Given(amount, told)


def tightest(told: Iterable[Told]) -> Told:
    """The one with the least left; of several, that takes the longest until there is more."""
    return min(told, key=lambda one: (one.left, -one.seconds))
