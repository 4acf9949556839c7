"""P6: the three thumbnails of a photo, from its file to three JPEGs, beside Pillow as its manual shows it.

No server: each contender is a process that draws one photo again and again, and has drawn it once before.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import OURS, Failed, Findings, Row, Sample, Verdict, compare, find
from benchmarks.load.photos import make_photos
from benchmarks.scale import Scale
from benchmarks.workbench import PROJECT, Workbench

NAME = "P6"
TITLE = "thumbnails of a photo: 100, 300 and 1200"
NAIVE = "naive Pillow"
TWICE = f"{OURS}, 2 processes"
MUSTS = {"JPEG": 2.6}
MUST, GOAL_OF_TWO, MOST_MIB = 1.3, 4.0, 60
_HOW = {OURS: "1", TWICE: "2", NAIVE: "naive"}
_SECONDS = 300


def measure(workbench: Workbench, scale: Scale) -> Findings:
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for format_, path in make_photos(workbench.folder, scale.photo_size).items():
        found = _rows(f"{format_}, {scale.photo_size[0]} x {scale.photo_size[1]}", path, scale)
        ours, naive = find(found, OURS), find(found, NAIVE)
        verdicts += compare(ours, naive, must=MUSTS.get(format_, MUST))
        verdicts += compare(find(found, TWICE), naive, must=MUST, goal=GOAL_OF_TWO)
        if ours is not None:
            grown = ours.medians_of_details()["growth_mib"]
            claim = f"{OURS}, growth of a process ({ours.case})"
            verdicts.append(Verdict(NAME, claim, grown, "MiB", must=MOST_MIB, at_most=True))
        rows += found
    return Findings(rows, verdicts)


def _rows(case: str, path: Path, scale: Scale) -> list[Row]:
    samples: dict[str, list[Sample]] = {subject: [] for subject in _HOW}
    failed: dict[str, str] = {}
    for _ in range(scale.rounds):
        for subject, how in _HOW.items():
            if subject not in failed:
                try:
                    samples[subject].append(_draw(how, path, scale.photo_seconds))
                except Failed as reason:
                    failed[subject] = str(reason)
    return [Row(NAME, case, subject, "photos/s", samples[subject], failed=failed.get(subject, "")) for subject in _HOW]


def _draw(how: str, path: Path, seconds: float) -> Sample:
    told: Sequence[str | Path] = [sys.executable, "-m", "benchmarks.load.thumbnails", how, path, str(seconds)]
    try:
        done = subprocess.run(told, cwd=PROJECT, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise Failed(error.stderr.strip().splitlines()[-1][:200] if error.stderr.strip() else "ended") from None
    found: dict[str, float] = json.loads(done.stdout)
    return Sample(found.pop("per_second"), found)
