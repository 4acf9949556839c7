"""The suites are for adapters written elsewhere, too: that of examples/storage_adapter passes them, far from here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, Module, modules

EXAMPLE = ROOT / "examples" / "storage_adapter"


@pytest.mark.timeout(130)
def test_a_storage_of_somebody_elses_passes_the_suites_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """With this repository on its path and none of its settings of pytest."""
    shutil.copytree(EXAMPLE, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", ".", "elsewhere"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestFolderChunkStorage::" in done.stdout
    assert "TestFolderBlobStorage::" in done.stdout
    assert re.search(r"^=+ \d+ passed[^,]*(, \d+ warnings?)? in ", done.stdout, re.MULTILINE), "none may be skipped"


def test_the_example_needs_the_domain_and_the_ports_alone() -> None:
    ours = Module(EXAMPLE / "one_folder.py").imported_packages - sys.stdlib_module_names
    assert ours == {"domain", "ports"}


@pytest.mark.parametrize("module", modules("tests/contract/suites"), ids=lambda module: module.path.stem)
def test_a_suite_knows_no_technology(module: Module) -> None:
    assert not [name for name in module.imports if name.startswith(("adapters", "application", "infrastructure"))]
    support = {name for name in module.imports if name.startswith("tests.support")}
    for name in support:
        outbound = [used for used in Module(ROOT / f"{name.replace('.', '/')}.py").imports if "outbound" in used]
        assert set(outbound) <= {"adapters.outbound.system.clock"}, f"{name} brings a technology along"
