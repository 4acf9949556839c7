"""``starter.py worker`` as a process; with little patience, so that no test has to wait for what a worker does later.

python -m tests.support.processes.worker
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from infrastructure.logging import configure_logging
from infrastructure.setting_sources import load_settings
from infrastructure.worker import run
from tests.support.processes.server import ModuleProcess, clean_environment

_PATIENCE = {"idle_seconds": 0.2, "lease_seconds": 1.0, "outage_seconds": 0.2}


class WorkerProcess(ModuleProcess):
    """One worker with one slot."""

    log_path: Path

    def __init__(self, data_dir: Path, env: Mapping[str, str]) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        super().__init__(
            __name__,
            name="the worker",
            environment=clean_environment(data_dir, env),
            log_path=data_dir / "worker.log",
        )


def main() -> int:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return run(settings, slots=1, patience=_PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
