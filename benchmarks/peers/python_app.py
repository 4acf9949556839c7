"""Peers written in Python: small apps below ``apps/``, run by the interpreter that has their packages."""

import subprocess
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import Command, Peer
from benchmarks.workbench import Workbench

APPS = Path(__file__).with_name("apps")
VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


class PythonAppPeer(Peer):
    uploads_path: ClassVar[str | None] = "/files"
    app: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        return Command([workbench.peers_python(), APPS / self.app, str(port), folder])

    def version(self, workbench: Workbench) -> str:
        python = workbench.peers_python()
        return ", ".join(f"{package} {_version(python, package)}" for package in self.packages)


def _version(python: Path, package: str) -> str:
    told = subprocess.run([python, "-c", VERSION, package], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "absent"
