"""Runs the load clients that are C programs: each prints one JSON object of figures."""

import json
import subprocess

from benchmarks.figures import Failed
from benchmarks.workbench import Workbench

SLACK_SECONDS = 120


def run_client(workbench: Workbench, source: str, *arguments: str | float) -> dict[str, float]:
    """Compile (once) and run the client ``source``; what it measured.

    Raises:
        Missing: there is no compiler.
        Failed: the server refused or left.
    """
    program = workbench.program(f"load/{source}")
    command = [str(program), *map(str, arguments)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=SLACK_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{source} was not done after {SLACK_SECONDS} s") from None
    if told.returncode != 0:
        raise Failed(f"{source}: {told.stderr.strip()[:300] or told.returncode}")
    figures: dict[str, float] = json.loads(told.stdout)
    return figures
