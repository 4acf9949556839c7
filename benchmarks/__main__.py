"""``python -m benchmarks``: measures Longshore beside its peers. How to read it: docs/performance.md."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks.figures import OURS, Findings, Missing, Row
from benchmarks.measurements import MEASUREMENTS
from benchmarks.peers.base import Peer
from benchmarks.peers.fastapi_stream import FastApiStreamPeer
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.nginx import NginxPeer
from benchmarks.peers.tus_node import TusNodePeer
from benchmarks.peers.tuspyserver import TusPyServerPeer
from benchmarks.report import Machine, Run, table, write_json
from benchmarks.scale import FULL, LARGEST_COMPLETION_BYTES, SMOKE, Scale
from benchmarks.workbench import HERE, Workbench

VERSIONED: Sequence[Peer] = (
    LongshorePeer(),
    NginxPeer(),
    TusNodePeer(),
    FastApiStreamPeer(),
    TusPyServerPeer(),
)


def main() -> int:
    """0: everything ran; 1: ours, or a peer that is there, did not do its work; 2: nothing could run.

    A figure below its must is shown and is no failure: this measures, it does not judge a build.
    """
    if not sys.platform.startswith("linux"):
        print("the benchmarks need Linux: they measure with splice, /proc and epoll")
        return 2
    options = _options()
    signal.signal(signal.SIGTERM, _end)  # so that every server is ended and every folder removed
    run = Run(datetime.now(UTC), _scale(options), options.smoke)
    with closing(Workbench(options.folder)) as workbench:
        machine = Machine.of(workbench.folder)
        print(machine.line(), run.line(), sep="\n", flush=True)
        found = _measure(workbench, run, options.only)
        versions = _versions(workbench, found)
    print("", *(f"{name} {version}" for name, version in versions.items()), sep="\n")
    results = HERE / "results" / ("smoke.json" if options.smoke else "latest.json")
    write_json(results, run, machine, versions, found)
    print(f"written: benchmarks/results/{results.name}")
    return _status(found)


def _measure(workbench: Workbench, run: Run, names: Sequence[str]) -> dict[str, Findings]:
    workbench.warm_up_disk(run.scale.body_bytes)
    found = {}
    for name in names:
        findings = MEASUREMENTS[name](workbench, run.scale)
        found[name] = findings.without_targets() if run.smoke else findings
        print(table(name, found[name]), flush=True)
    return found


def _versions(workbench: Workbench, found: Mapping[str, Findings]) -> dict[str, str]:
    ran = [row.subject for row in _rows(found) if row.samples]
    return {
        peer.name: peer.version(workbench)
        for peer in VERSIONED
        if any(subject.startswith(peer.name) for subject in ran)
    }


def _status(found: Mapping[str, Findings]) -> int:
    strict = os.environ.get("REQUIRE_SERVICES") == "1"
    lacking = [
        (row, lack)
        for row in _rows(found)
        if (lack := row.lack) and (not row.missing or strict or row.subject.startswith(OURS))
    ]
    for row, lack in lacking:
        print(f"{row.measurement} {row.subject} ({row.case}): {lack}", file=sys.stderr)
    return 1 if lacking else 0


def _rows(found: Mapping[str, Findings]) -> list[Row]:
    return [row for findings in found.values() for row in findings.rows]


def _scale(options: argparse.Namespace) -> Scale:
    scale = SMOKE if options.smoke else FULL
    if options.full:
        scale = replace(scale, completion_bytes=(*scale.completion_bytes, LARGEST_COMPLETION_BYTES))
    if options.rounds:
        scale = replace(scale, rounds=options.rounds, memory_rounds=min(options.rounds, scale.memory_rounds))
    return scale


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Longshore beside its peers.")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round: only that every part runs")
    parser.add_argument("--full", action="store_true", help="P8 with 10 GiB as well")
    parser.add_argument("--only", type=_names, default=list(MEASUREMENTS), help="P1,P3: these measurements only")
    parser.add_argument("--rounds", type=int, help="paired rounds (5)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=HERE / ".work",
        help="where the servers keep their files: the disk measured",
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    known = {name.upper(): name for name in MEASUREMENTS}
    names = [name.strip().upper() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(MEASUREMENTS)}")
    return [known[name] for name in names]


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as reason:
        sys.exit(f"nothing measured: {reason}")
