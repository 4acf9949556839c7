"""Two hundred clients at a cluster of which something dies every five seconds, and nobody loses anything.

    python -m tests.chaos.crowd.thrash [--minutes 10] [--clients 200] [--json FILE]

Every five seconds one of three servers and two workers is killed and started again. Every twenty, database or bucket is
cut off for four: by resets, or by silence. Then everything is left in peace, and it is counted what has come of it; the
exit code says whether all of it is as it should be.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.crowd.crowd import Crowd
from tests.chaos.crowd.records import Faults
from tests.chaos.crowd.report import Check, Report, ends_in_order, tell
from tests.chaos.crowd.verify import LEFT_OVER, checks_of_clients, checks_of_files, checks_of_jobs, checks_of_verbs
from tests.chaos.rig.cluster import Cluster, running
from tests.support.processes.process import ROOT

_PACE = 1.5  # of the pauses between chunks: 1.5 to 4.5 s
_KILL_SECONDS = 5.0
_CUT_EVERY_SECONDS = 20.0
_CUT_SECONDS = 4.0
_WORD_SECONDS = 60.0
_CUTS = ("database", "refused"), ("bucket", "refused"), ("database", "silent"), ("bucket", "silent")
_CHUNK_SECONDS = 1.0
_QUIET_SECONDS = 20.0  # a lease is kept for 15 s after its last use


def thrash(cluster: Cluster, *, seconds: float, clients: int, seed: int = 1) -> Report:
    crowd, faults = Crowd(cluster.url, clients, pace=_PACE), Faults()
    began, loads = time.monotonic(), [os.getloadavg()[0]]
    crowd.start()
    draw = random.Random(seed)
    victims, cuts = cluster.victims(draw), 0
    next_kill, next_cut = time.monotonic() + _KILL_SECONDS, time.monotonic() + _CUT_EVERY_SECONDS / 2
    mended_at, cut, next_word = 0.0, ("", ""), began + _WORD_SECONDS
    while (now := time.monotonic()) < began + seconds or mended_at:
        if now >= next_kill:
            cluster.kill(next(victims))
            next_kill += _KILL_SECONDS
            loads.append(os.getloadavg()[0])
        if not mended_at and now >= next_cut:
            cut = _CUTS[cuts % len(_CUTS)]
            cuts += 1
            cluster.lines[cut[0]].becomes(cut[1])
            cut_at, mended_at = now, now + _CUT_SECONDS
            next_cut += _CUT_EVERY_SECONDS
        if mended_at and now >= mended_at:
            cluster.lines[cut[0]].becomes("flows")
            faults.note(cut_at, time.monotonic(), " ".join(cut))
            mended_at = 0.0
        if now >= next_word:
            tell(f"{now - began:.0f} s: {sum(crowd.records.done.values())} errands, load {os.getloadavg()[0]:.1f}")
            next_word += _WORD_SECONDS
        cluster.start_ended()
        time.sleep(0.1)
    lasted = time.monotonic() - began
    tell(f"{lasted:.0f} s are over: everybody comes to an end, and it is counted")
    cluster.is_whole()
    crowd.finish()
    records = crowd.records
    report = Report(
        title="make thrash",
        facts={
            "clients": len(crowd),
            "seconds": round(lasted),
            "bucket": cluster.storage,
            "kills": dict(cluster.kills),
            "cuts": cuts,
            "ended by themselves, started again": dict(cluster.ended),
            "load average": f"{min(loads):.1f} … {max(loads):.1f}",
        },
        records=records,
        faults=faults,
    )
    calm = [row for row in report.times if row.phase == "calm" and "chunk" in row.what]
    worst = max((row.answered[1] for row in calm), default=0.0)
    report.checks += checks_of_clients(records)
    is_quick = worst < _CHUNK_SECONDS
    report.checks.append(Check("p99 of a chunk while nothing is cut off", f"{worst:.2f} s", is_quick, is_timed=True))
    tell("jobs, files and what is left over are looked at")
    report.checks += checks_of_jobs(cluster.url, records)
    report.checks += checks_of_files(cluster.url, records)
    report.checks += _checks_of_leftovers(cluster, crowd)
    return report


def _checks_of_leftovers(cluster: Cluster, crowd: Crowd) -> list[Check]:
    """What nobody knows of (the answer to its creation was lost) is found in the list, and ended, as a client would."""
    ended = crowd.end_unfinished()
    time.sleep(_QUIET_SECONDS)
    verbs = checks_of_verbs(cluster.servers[0].data_dir, cluster.env)
    left = {what: cluster.postgres.count(query, cluster.env["DATABASE_URL"]) for what, query in LEFT_OVER.items()}
    left["staged objects"] = len(cluster.s3.names(cluster.address, "staged/"))
    left["multipart uploads"] = len(cluster.multiparts())
    found = ", ".join(f"{count} {what}" for what, count in left.items() if count)
    return [
        *verbs,
        Check("left over", f"{found or 'nothing'} (unknown uploads that were ended first: {ended})", not found),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crowd.thrash", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "thrash.json")
    parser.add_argument("--folder", type=Path, help="where logs and data are kept afterwards")
    options = parser.parse_args()
    ends_in_order()
    with tempfile.TemporaryDirectory() as temporary, running(options.folder or Path(temporary)) as cluster:
        report = thrash(cluster, seconds=options.minutes * 60, clients=options.clients)
    print(report.table())
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.as_json(), indent=1))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
