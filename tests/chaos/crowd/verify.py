"""What has to hold once everybody is done, seen from outside."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.chaos.crowd.line import GaveUp, Line
from tests.chaos.crowd.records import Records
from tests.chaos.crowd.report import Check
from tests.support.processes.server import run_verb

LEFT_OVER = {
    "unfinished uploads": "SELECT count(*) FROM uploads WHERE state NOT IN ('COMPLETED', 'ABORTED', 'EXPIRED')",
    "leases": "SELECT count(*) FROM upload_leases WHERE expires_at > CURRENT_TIMESTAMP AND holder <> ''",
    "leases of ranges": "SELECT count(*) FROM range_leases WHERE expires_at > CURRENT_TIMESTAMP",
    "jobs": "SELECT count(*) FROM jobs",
    "events that were not told": "SELECT count(*) FROM outbox",
    "blobs to be deleted": "SELECT count(*) FROM blob_deletions",
}
"""What nobody needs any more once all is over. Rows of leases that ran out are forgotten an hour later."""
_NAMED = 3
_AT_ONCE = {"CLEANUP_AFTER": "1s"}


def checks_of_clients(records: Records) -> list[Check]:
    gave_up = ", ".join(f"{who} {count}" for who, count in records.gave_up.items())
    return [
        Check("offsets never went back, no promise was broken", _some(records.broken), not records.broken),
        Check("no answer that ordinary clients don't retry", _counted(records.surprises), not records.surprises),
        Check(
            "nobody gave up after tries at once, after 1, 3 and 5 s",
            gave_up or "nobody",
            not records.gave_up,
            is_timed=True,
        ),
        Check("no client fell over", _some(records.errors), not records.errors),
    ]


def checks_of_files(url: str, records: Records) -> list[Check]:
    """Content compared; what was deleted is not there."""
    wrong, back = list[str](), list[str]()
    for kept in records.kept:
        line = Line(url, kept.owner, "the end", records)
        try:
            digest = hashlib.sha256(line.ask("GET", kept.path).body).hexdigest()
            if digest != kept.sha256:
                wrong.append(f"{kept.how} {kept.path} is another")
        except GaveUp:
            wrong.append(f"{kept.how} {kept.path} is away")
        line.wire.close()
    for owner, path in records.deleted:
        line = Line(url, owner, "the end", records)
        try:
            line.ask("GET", path, expects={404, 410})
        except GaveUp:
            back.append(path)
        line.wire.close()
    return [
        Check("every acknowledged byte is there", f"{len(records.kept)} files compared; {_some(wrong)}", not wrong),
        Check("what was deleted is away", f"{len(records.deleted)} files; {_some(back)}", not back),
    ]


def checks_of_verbs(folder: Path, env: Mapping[str, str]) -> list[Check]:
    """``cleanup`` and ``doctor --scrub``, for which nothing is too young."""
    cleaned = run_verb("cleanup", data_dir=folder, env={**env, **_AT_ONCE}, timeout=300)
    doctor = run_verb("doctor", "--scrub", data_dir=folder, env={**env, **_AT_ONCE}, timeout=900)
    problems = [line for line in doctor.stdout.splitlines() if line.startswith("PROBLEM")]
    return [
        Check("cleanup", " ".join((cleaned.stdout or cleaned.stderr).split())[-200:], cleaned.returncode == 0),
        Check("doctor --scrub", _some(problems) if problems else "clean", doctor.returncode == 0),
    ]


def checks_of_jobs(url: str, records: Records, *, within: float = 120) -> list[Check]:
    """Each picture and instruction comes to its end, and those who listen hear of it."""
    deadline = time.monotonic() + within
    images = {(image_id, owner): f"/images/{image_id}" for image_id, owner in records.images.items()}
    details = {
        (detail_id, owner): f"/instructions/{instruction_id}/details/{detail_id}"
        for (instruction_id, detail_id), owner in records.details.items()
    }
    ends, open_ = Counter[str](), images | details
    while open_ and time.monotonic() < deadline:
        for (id_, owner), path in list(open_.items()):
            line = Line(url, owner, "the end", records)
            told = json.loads(line.ask("GET", path).body)
            status = told["status"] if "status" in told else told["data"]["detail"]["status"]
            line.wire.close()
            if status in ("DONE", "ERROR", "FAILED"):
                ends[status] += 1
                del open_[id_, owner]
        time.sleep(0.2)
    ended = ", ".join(f"{count} {status}" for status, count in ends.items())
    not_once = [
        f"{owner} {detail_id}: {records.notified[owner, detail_id]} times"
        for detail_id, owner in details
        if owner in records.listeners and records.notified[owner, detail_id] != 1
    ]
    return [
        Check("every picture and instruction came to its end", f"{ended}; left: {_some(open_.values())}", not open_),
        Check(
            "of each instruction's end its listener was told once",
            f"{sum(records.notified.values())} times; {_some(not_once)}",
            not not_once,
        ),
    ]


def _some(lines: Iterable[str]) -> str:
    named = list(lines)
    more = f" … and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ("; ".join(named[:_NAMED]) + more) or "none wrong"


def _counted(counter: Counter[str]) -> str:
    return _some(f"{count} × {what}" for what, count in counter.most_common())
