"""Tells what a run found: a table for the terminal, JSON for whoever compares runs."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Findings, Row, Verdict
from benchmarks.measurements import TITLES
from benchmarks.scale import Scale

WIDTH = 110
IN_MEMORY = ("tmpfs", "ramfs")
DETAILS = {
    "p50_ms": "p50 {:.1f} ms",
    "p99_ms": "p99 {:.1f} ms",
    "cpu_s": "CPU {:.2f} s",
    "cpu_ms_each": "CPU {:.2f} ms each",
    "errors": "{:.0f} errors",
    "idle_mib": "idle {:.0f} MiB",
    "peak_mib": "peak {:.0f} MiB",
    "growth_mib": "all {:.0f} MiB",
    "worst_ms": "worst {:.1f} ms",
    "server_cores": "cores of the server {:.2f}",
    "database_cores": "of the database {:.2f}",
    "client_cores": "of the client {:.2f}",
    "chunks_per_second": "{:,.0f} chunks/s meanwhile",
}


def table(name: str, findings: Findings) -> str:
    """One measurement, as it is shown when it is done."""
    lines = ["", f"{name}  {TITLES[name]}", "─" * WIDTH]
    case = None
    for row in findings.rows:
        if row.case != case:
            case = row.case
            lines.append(f"  {case}")
        lines.append(f"    {_row(row)}")
    lines += [f"  {_verdict(verdict)}" for verdict in findings.verdicts]
    return "\n".join(lines)


def _row(row: Row) -> str:
    if not row.samples:
        return f"{row.subject:<28} {_absence(row)}"
    figures = sorted(sample.value for sample in row.samples)
    spread = f"{_number(figures[0])} … {_number(figures[-1])}" if len(figures) > 1 else ""
    beside = [row.note, *_details(row), f"FAILED: {row.failed}" if row.failed else ""]
    figure = f"{_number(row.median):>9} {row.unit:<9} {spread:<19}"
    return f"{row.subject:<28} {figure} {'; '.join(filter(None, beside))}".rstrip()


def _absence(row: Row) -> str:
    return f"FAILED: {row.failed}" if row.failed else f"missing: {row.missing}"


def _details(row: Row) -> list[str]:
    medians = row.medians_of_details()
    return [
        text.format(medians[name])
        for name, text in DETAILS.items()
        if name in medians and (name != "errors" or medians[name])
    ]


def _verdict(verdict: Verdict) -> str:
    value = f"{verdict.value:.{2 if verdict.unit == 'x' else 1}f} {verdict.unit}"
    sign = "≤" if verdict.at_most else "≥"
    targets = [
        f"{name} {sign} {target:g}"
        for name, target in (("must", verdict.must), ("goal", verdict.goal))
        if target is not None
    ]
    return f"{verdict.claim:<66} {value:>10}  {', '.join(targets):<24} {verdict.outcome}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for, and when."""

    started: datetime
    scale: Scale
    smoke: bool

    def line(self) -> str:
        if self.smoke:
            return "smoke: tiny sizes, so the figures mean nothing; only that every part runs"
        return f"{self.scale.rounds} paired rounds, medians"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the absolute figures depend on, without the machine's name or any path."""

    cpus: int
    processor: str
    memory_mib: int
    kernel: str
    python: str
    file_system: str
    load_before: float
    """How many processes wanted a CPU in the minute before; above a few tenths others are at work."""

    @classmethod
    def of(cls, folder: Path) -> "Machine":
        """This machine, with ``folder`` on the disk that is measured."""
        return cls(
            cpus=len(os.sched_getaffinity(0)),
            processor=_processor(),
            memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            kernel=platform.release(),
            python=platform.python_version(),
            file_system=_file_system(folder),
            load_before=round(os.getloadavg()[0], 2),
        )

    def line(self) -> str:
        text = (
            f"{self.cpus} CPUs ({self.processor}), {self.memory_mib:,} MiB, kernel {self.kernel}, "
            f"Python {self.python}, files on {self.file_system}, load {self.load_before} before"
        )
        if self.file_system in IN_MEMORY:
            text += "\nTHESE FILES ARE IN MEMORY: syncing them costs nothing, so P2, P3 and P8 mean nothing"
        return text


def write_json(
    path: Path, run: Run, machine: Machine, versions: Mapping[str, str], found: Mapping[str, Findings]
) -> None:
    """The whole run, every round's figures included."""
    report = {
        "started": run.started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "smoke": run.smoke,
        "scale": asdict(run.scale),
        "machine": asdict(machine),
        "versions": dict(versions),
        "measurements": {
            name: {
                "title": TITLES[name],
                "rows": [_row_as_json(row) for row in findings.rows],
                "verdicts": [{**asdict(each), "outcome": each.outcome} for each in findings.verdicts],
            }
            for name, findings in found.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "case": row.case,
        "subject": row.subject,
        "unit": row.unit,
        "median": round(row.median, 4) if row.samples else None,
        "rounds": [round(sample.value, 4) for sample in row.samples],
        "details": {name: round(value, 4) for name, value in row.medians_of_details().items()},
        "note": row.note,
        "missing": row.missing,
        "failed": row.failed,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _file_system(folder: Path) -> str:
    """The type of the mount that ``folder`` lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]
