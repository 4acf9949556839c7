"""Paired rounds: A B C, A B C, ... each time a fresh process: what disturbs the machine disturbs all."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Failed, Missing, Row, Sample
from benchmarks.peers.base import Peer, Server, running
from benchmarks.workbench import Workbench

COLD = ""
WARM = ", warm"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server and how it is measured: ``measure`` returns a sample for each state (COLD, WARM)."""

    subject: str
    peer: Peer
    measure: Callable[[Server], Mapping[str, Sample]]
    note: str = ""


def paired_rounds(
    contenders: Sequence[Contender],
    *,
    measurement: str,
    case: str,
    unit: str,
    rounds: int,
    workbench: Workbench,
) -> list[Row]:
    """A row for each contender and state; one that is missing or fails sits out the further rounds."""
    tallies = [_Tally(each) for each in contenders]
    for _ in range(rounds):
        for tally in tallies:
            if not tally.is_out:
                os.sync()  # what the one before left unwritten is not this one's burden
                tally.take_round(workbench)
    return [row for tally in tallies for row in tally.rows(measurement, case, unit)]


@dataclass(slots=True)
class _Tally:
    """What a contender has shown so far."""

    contender: Contender
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    missing: str = ""
    failed: str = ""

    @property
    def is_out(self) -> bool:
        return bool(self.missing or self.failed)

    def take_round(self, workbench: Workbench) -> None:
        try:
            with running(self.contender.peer, workbench) as server:
                for state, sample in self.contender.measure(server).items():
                    self.samples.setdefault(state, []).append(sample)
        except Missing as reason:
            self.missing = str(reason)
        except (Failed, OSError) as reason:
            self.failed = str(reason)

    def rows(self, measurement: str, case: str, unit: str) -> list[Row]:
        return [
            Row(
                measurement,
                case,
                self.contender.subject + state,
                unit,
                samples,
                note=self.contender.note,
                missing=self.missing,
                failed=self.failed,
            )
            for state, samples in (self.samples or {COLD: []}).items()
        ]
