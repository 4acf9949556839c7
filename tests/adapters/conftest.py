"""What several of the adapters' tests need."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes.services import require, require_program


@pytest.fixture
def small_filesystem() -> Iterator[Path]:
    """4 MiB and 200 inodes, outside pytest's own folders: what tidies those up must not meet a mount."""
    if os.geteuid() != 0:
        require("a small filesystem", "only root may mount one")
    mount, umount = require_program("mount"), require_program("umount")
    folder = Path(tempfile.mkdtemp(prefix="longshore-test-"))
    options = "size=4m,nr_inodes=200,mode=700"
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "longshore-test", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        require("a small filesystem", done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=True)
        folder.rmdir()
