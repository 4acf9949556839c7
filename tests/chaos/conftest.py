"""The ``chaos`` marker, for ``-m chaos`` and ``-m "not chaos"``, and a place for mounts."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.disk import require_mounts


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chaos: kills, power cuts and broken disks, on real processes")


@pytest.fixture
def mounts() -> Iterator[Path]:
    """A folder to mount disks in; whatever is still mounted there afterwards is taken off.

    Not below pytest's own temporary folders: it tidies those up, mounts or not.
    """
    require_mounts()
    folder = Path(tempfile.mkdtemp(prefix="longshore-mounts-"))
    yield folder
    for path in _mounted_below(folder):
        subprocess.run(["umount", "--lazy", path], check=False)
    assert _mounted_below(folder) == []
    shutil.rmtree(folder)


def _mounted_below(folder: Path) -> list[str]:
    """The deepest first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)
