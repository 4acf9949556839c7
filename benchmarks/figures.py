"""What a run finds: rows (one figure of one server) and verdicts (a row against its target)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

OURS = "Longshore"


class Missing(Exception):
    """A peer, a tool or the room for a measurement is not there; the text tells the reader what and why."""


class Failed(Exception):
    """A server ran but did not do its work: it refused, cut the connection or kept no bytes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure of one round, in its row's unit, with what was seen beside it (p99, requests, ...)."""

    value: float
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One server's figures in one case of one measurement, a sample a round; without samples it says why."""

    measurement: str
    case: str
    subject: str
    unit: str
    samples: Sequence[Sample] = ()
    note: str = ""
    missing: str = ""
    failed: str = ""

    @property
    def median(self) -> float:
        return median(sample.value for sample in self.samples)

    @property
    def lack(self) -> str:
        """Why this row is not what it should be; empty when it is."""
        errors = sum(sample.details.get("errors", 0) for sample in self.samples)
        return (
            self.failed
            or self.missing
            or ("" if self.samples else "it showed no figure")
            or (f"{errors:.0f} requests failed" if errors else "")
        )

    def medians_of_details(self) -> dict[str, float]:
        names = dict.fromkeys(name for sample in self.samples for name in sample.details)
        return {
            name: median(sample.details[name] for sample in self.samples if name in sample.details) for name in names
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure of ours against its must and goal; without them it is for reading only."""

    measurement: str
    claim: str
    value: float
    unit: str = "x"
    must: float | None = None
    goal: float | None = None
    at_most: bool = False

    @property
    def outcome(self) -> str:
        if self.must is None:
            return ""
        if not self._reaches(self.must):
            return "BELOW THE MUST" if not self.at_most else "ABOVE THE MUST"
        return "goal met" if self.goal is not None and self._reaches(self.goal) else "must met"

    def _reaches(self, target: float) -> bool:
        return self.value <= target if self.at_most else self.value >= target


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything one measurement found."""

    rows: Sequence[Row]
    verdicts: Sequence[Verdict] = ()

    def without_targets(self) -> "Findings":
        """The same for sizes that the targets were not made for."""
        return replace(self, verdicts=[replace(each, must=None, goal=None) for each in self.verdicts])


def find(rows: Sequence[Row], subject: str, case: str | None = None) -> Row | None:
    """The row of ``subject`` (in ``case``) that has figures, if there is one."""
    return next((row for row in rows if row.subject == subject and row.samples and case in (None, row.case)), None)


def ratio(ours: Row | None, other: Row | None) -> float | None:
    """The median of the rounds' own ratios: what disturbed a round disturbed both of its sides."""
    if ours is None or other is None:
        return None
    pairs = zip(ours.samples, other.samples, strict=False)
    return median(mine.value / theirs.value for mine, theirs in pairs)


def compare(
    ours: Row | None,
    other: Row | None,
    *,
    must: float | None = None,
    goal: float | None = None,
    at_most: bool = False,
) -> list[Verdict]:
    """The verdict on ours against another row: none when either has no figures."""
    value = ratio(ours, other)
    if ours is None or other is None or value is None:
        return []
    case = f" ({ours.case})" if ours.case == other.case else f" ({ours.case} / {other.case})"
    claim = f"{ours.subject} / {other.subject}{case}"
    return [Verdict(ours.measurement, claim, value, must=must, goal=goal, at_most=at_most)]


def within(row: Row | None, *, must: float, goal: float) -> list[Verdict]:
    """The verdict on an absolute figure that must stay below a limit."""
    if row is None:
        return []
    claim = f"{row.subject} ({row.case})"
    return [Verdict(row.measurement, claim, row.median, row.unit, must=must, goal=goal, at_most=True)]
