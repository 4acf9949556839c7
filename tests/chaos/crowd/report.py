"""What came of a run: a table for people, JSON for whoever compares runs."""

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.crowd.records import Faults, Records, Sample

_SHARES = (0.5, 0.99, 1.0)
_PHASES = ("calm", "during", "after")
_WIDTH = 110
_SLOWEST = 30


def tell(line: str) -> None:
    """How far it is, to whoever waits for it."""
    print(line, file=sys.stderr, flush=True)


def ends_in_order() -> None:
    """Whoever ends a long run ends what it has started, too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


@dataclass(frozen=True, slots=True)
class Check:
    """``is_timed``: what a machine that has too much to do can't keep."""

    what: str
    found: str
    is_good: bool
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds, at the median, p99 and worst.

    ``answered``: of the request that succeeded; ``had``: since it was asked for the first time.
    """

    what: str
    phase: str
    count: int
    answered: tuple[float, ...]
    had: tuple[float, ...]


@dataclass(slots=True)
class Report:
    title: str
    facts: Mapping[str, object]
    records: Records
    faults: Faults = field(default_factory=Faults)
    checks: list[Check] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return all(check.is_good for check in self.checks)

    @property
    def times(self) -> list[Times]:
        return times_by_phase(self.records.samples, self.faults)

    @property
    def failed(self) -> list[Check]:
        """Whatever the machine."""
        return [check for check in self.checks if not check.is_good and not check.is_timed]

    def table(self) -> str:
        lines = ["", self.title, "─" * _WIDTH, *(f"  {name}: {value}" for name, value in self.facts.items())]
        done = ", ".join(f"{who} {count}" for who, count in self.records.done.items())
        mib = self.records.acknowledged_bytes / 1024**2
        retried = ", ".join(f"{count} × {what}" for what, count in self.records.retried.most_common())
        lines += [
            f"  brought to their end: {done}",
            f"  acknowledged: {mib:.0f} MiB",
            f"  tried again after: {retried}",
        ]
        times = self.times
        if times:
            lines += ["", f"  {'seconds: median, p99, worst':<34}{'':>9}   {'answered':<24}{'from the first try':<24}"]
        for row in times:
            figures = ("  ".join(f"{value:6.3f}" for value in values) for values in (row.answered, row.had))
            lines.append(f"  {row.what:<24}{row.phase:<10}{row.count:>9}   {'   '.join(figures)}")
        lines += ["", *(f"  {'ok  ' if each.is_good else 'FAIL'}  {each.what}: {each.found}" for each in self.checks)]
        return "\n".join(lines)

    def _slowest(self) -> list[str]:
        """Where to begin with the logs."""
        slow = sorted(self.records.samples, key=lambda sample: sample.began - sample.ended)[:_SLOWEST]
        since = time.time() - time.monotonic()
        return [
            f"{datetime.fromtimestamp(since + sample.began, UTC):%H:%M:%S.%f} {sample.what} {sample.about} "
            f"{self.faults.when(sample.began, sample.ended)}: {sample.ended - sample.began:.2f} s"
            for sample in slow
        ]

    def as_json(self) -> dict[str, Any]:
        records = self.records
        return {
            "title": self.title,
            "good": self.is_good,
            "facts": dict(self.facts),
            "done": dict(records.done),
            "acknowledged_bytes": records.acknowledged_bytes,
            "answers": {f"{who} {status or 'cut'}": count for (who, status), count in sorted(records.answers.items())},
            "retried": dict(records.retried),
            "slowest": self._slowest(),
            "times": [asdict(row) for row in self.times],
            "checks": [asdict(check) for check in self.checks],
            "surprises": dict(records.surprises),
            "broken": records.broken,
            "errors": records.errors,
        }


def times_by_phase(samples: Sequence[Sample], faults: Faults) -> list[Times]:
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.what, faults.when(sample.asked_at, sample.ended)), []).append(sample)
    order = sorted(found, key=lambda key: (key[0], _PHASES.index(key[1])))
    return [
        Times(
            what,
            phase,
            len(found[what, phase]),
            _percentiles([sample.ended - sample.began for sample in found[what, phase]]),
            _percentiles([sample.ended - sample.asked_at for sample in found[what, phase]]),
        )
        for what, phase in order
    ]


def _percentiles(seconds: Sequence[float]) -> tuple[float, ...]:
    ordered = sorted(seconds)
    return tuple(round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 4) for share in _SHARES)
