"""Hours of clients of all dialects at one server on SQLite and a volume, and nothing grows or is left.

    python -m tests.chaos.crowd.soak [--minutes 60] [--clients 60] [--json FILE]

The server is looked at every second. A fifth of the time is for warming up; through what comes then a line is laid.
"""

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.crowd.crowd import Crowd
from tests.chaos.crowd.report import Check, Report, ends_in_order, tell
from tests.chaos.crowd.verify import LEFT_OVER, checks_of_clients, checks_of_files, checks_of_jobs, checks_of_verbs
from tests.chaos.rig.growth import Look, look_at, slope
from tests.chaos.rig.settings import CHAOS
from tests.e2e.test_owners import GATEWAY
from tests.support.processes.process import ROOT
from tests.support.processes.server import AS_INSTALLED, ServerProcess
from tests.support.until import becomes

_MIB = 1024 * 1024
_WARM_UP = 0.2
_MOST_GROWTH = 0.05  # an hour
_SHORT_SECONDS = 600.0
_WARMTH_BYTES = 16 * _MIB  # what a run of minutes may still grow
_CHILDREN_BYTES = 64 * _MIB  # of those that draw: they come and go
_MOST_WAL_BYTES = 64 * _MIB  # journal_size_limit
_MOST_OUTBOX_ROWS = 500
_QUIET_SECONDS = 60.0  # a lease is kept for 15 s after its last use, a process that draws for 30
_SPARE_DESCRIPTORS = 2
_PACE = 0.3  # of the pauses that clients of slow lines make
_KEPT = 0.03  # of the files
SETTINGS = {**CHAOS, **GATEWAY, "CLEANUP_INTERVAL": "1m", "CLEANUP_AFTER": "2m", "PYTHONPATH": str(AS_INSTALLED)}


def soak(server: ServerProcess, *, seconds: float, clients: int) -> Report:
    rows = _Rows(server.data_dir)
    crowd = Crowd(server.url, clients, pace=_PACE, kept=_KEPT)
    began, loads, looks = time.monotonic(), [os.getloadavg()[0]], [look_at(server.pid, 0.0)]
    crowd.start()
    while (now := time.monotonic() - began) < seconds:
        looks.append(look_at(server.pid, now))
        rows.look()
        loads.append(os.getloadavg()[0])
        if len(looks) % 60 == 0:
            tell(f"{now:.0f} s: {sum(crowd.records.done.values())} errands, {looks[-1].memory / _MIB:.1f} MiB")
        time.sleep(1)
    crowd.finish()
    records = crowd.records
    report = Report(
        title="make soak",
        facts={
            "clients": len(crowd),
            "seconds": round(seconds),
            "load average": f"{min(loads):.1f} … {max(loads):.1f}",
        },
        records=records,
    )
    report.checks += checks_of_clients(records)
    again = ", ".join(f"{count} × {what}" for what, count in records.retried.items())
    report.checks.append(Check("nobody had to try again", again or "nobody", not again))
    report.checks += _checks_of_growth([look for look in looks if look.at >= seconds * _WARM_UP])
    report.checks.append(Check("the log of SQLite", f"{rows.wal / _MIB:.1f} MiB at most", rows.wal <= _MOST_WAL_BYTES))
    report.checks.append(Check("the outbox", f"{rows.outbox} rows at most", rows.outbox <= _MOST_OUTBOX_ROWS))
    report.checks += checks_of_jobs(server.url, records)
    report.checks += checks_of_files(server.url, records)
    report.checks += _checks_of_leftovers(server, crowd, rows, looks)
    return report


def _checks_of_growth(looks: list[Look]) -> list[Check]:
    checks = []
    of_server, of_family = [(look.at, look.memory) for look in looks], [(look.at, look.family) for look in looks]
    for what, points, warmth in (
        ("the server", of_server, _WARMTH_BYTES),
        ("the server and its children", of_family, _WARMTH_BYTES + _CHILDREN_BYTES),
    ):
        start, line = points[0][1], slope(points)
        share, error = line.an_hour / start, line.error / start
        found = (
            f"{line.an_hour / _MIB:+.1f} ± {line.error / _MIB:.1f} MiB/h ({share:+.1%} ± {error:.1%}), "
            f"from {start / _MIB:.0f} to {points[-1][1] / _MIB:.0f} MiB"
        )
        is_good = share - error <= _MOST_GROWTH
        if is_short := points[-1][0] - points[0][0] < _SHORT_SECONDS:
            is_good = points[-1][1] - points[0][1] < warmth
        if is_short or (is_good and share + error > _MOST_GROWTH):
            found += "; so short a run can't tell"
        checks.append(Check(f"memory of {what}", found, is_good))
    half = len(looks) // 2
    before, then = (max(look.threads for look in some) for some in (looks[:half], looks[half:]))
    return [*checks, Check("threads", f"{before} at most, then {then}", then <= before + 1)]


def _checks_of_leftovers(server: ServerProcess, crowd: Crowd, rows: "_Rows", looks: list[Look]) -> list[Check]:
    ended = crowd.end_unfinished()
    before, most = looks[0].descriptors, max(look.descriptors for look in looks)
    is_quiet = becomes(
        lambda: look_at(server.pid, 0).descriptors <= before + _SPARE_DESCRIPTORS, within=_QUIET_SECONDS, every=1
    )
    then = look_at(server.pid, 0).descriptors
    becomes(lambda: not rows.left(), within=_QUIET_SECONDS, every=1)
    verbs = checks_of_verbs(server.data_dir, SETTINGS)
    left = rows.left()
    left["staged files"] = sum(path.is_file() for path in (server.data_dir / "storage" / "staged").rglob("*"))
    found = ", ".join(f"{count} {what}" for what, count in left.items() if count)
    return [
        Check("descriptors", f"{before} before, {most} at most, {then} in the end", is_quiet),
        *verbs,
        Check("left over", f"{found or 'nothing'} (uploads that clients left, ended first: {ended})", not found),
    ]


class _Rows:
    """What is in the database, and how large its log is at most."""

    def __init__(self, folder: Path) -> None:
        self._wal = folder / "files.db-wal"
        self._database = folder / "files.db"
        self.wal = self.outbox = 0

    def look(self) -> None:
        self.wal = max(self.wal, self._wal.stat().st_size if self._wal.exists() else 0)
        self.outbox = max(self.outbox, self._count("SELECT count(*) FROM outbox"))

    def left(self) -> dict[str, int]:
        return {what: count for what, query in LEFT_OVER.items() if (count := self._count(query))}

    def _count(self, query: str) -> int:
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=10)
        try:
            count: int = connection.execute(query).fetchone()[0]
            return count
        finally:
            connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crowd.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "soak.json")
    options = parser.parse_args()
    ends_in_order()
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "data", SETTINGS, migrates=True) as server,
    ):
        report = soak(server, seconds=options.minutes * 60, clients=options.clients)
    print(report.table())
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.as_json(), indent=1))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
