"""What the papers say of the house is so: each record is listed, and what they name is there."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, modules

_RECORDS = ROOT / "docs" / "decisions"
# Records stay as they were written; the moves of files are told by git.
_PAPERS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]
_TOP = "adapters|application|domain|ports|infrastructure|longshore|examples|tests|docs|scripts"
_NAMED = re.compile(rf"`((?:{_TOP})/[\w./-]+\.\w+)`")
_LINKED = re.compile(r"\]\((?!https?:)([^)#]+)")
_MODULE_NAMED = re.compile(r"``((?:[\w-]+/)*\w+\.py)``")
_PYTHON = (*PACKAGES, "tests", "examples", "scripts", "benchmarks")
_PAPER_OUTSIDE = "CONTRACT" + " §"  # in two, for this file is looked through as well


def test_every_decision_is_listed_once_in_its_order() -> None:
    listed = re.findall(r"^\| \[?(\d{4})", (_RECORDS / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(set(listed))
    assert {path.name[:4] for path in _RECORDS.glob("[0-9]*.md")} <= set(listed)


@pytest.mark.parametrize("paper", _PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_what_a_paper_names_is_there(paper: Path) -> None:
    """Files by their whole path in backticks, and whatever a link leads to; ``<name>`` stands for one's own."""
    text = paper.read_text()
    named = {ROOT / path for path in _NAMED.findall(text)}
    linked = {paper.parent / path for path in _LINKED.findall(text)}
    assert sorted(str(path.relative_to(ROOT)) for path in named | linked if not path.exists()) == []


def test_a_module_that_is_named_in_the_code_is_there() -> None:
    """``name.py`` or ``path/name.py``, as seen from the folder of who names it or from one above, up to the root."""
    lost = [
        f"{module.path.relative_to(ROOT)}: {name}"
        for module in modules(*PACKAGES)
        for name in _MODULE_NAMED.findall(module.text)
        if not _is_there(name, module.path)
    ]
    assert lost == []


def test_no_python_file_refers_to_a_paper_outside() -> None:
    found = [str(module.path.relative_to(ROOT)) for module in modules(*_PYTHON) if _PAPER_OUTSIDE in module.text]
    assert found == []


def _is_there(name: str, named_by: Path) -> bool:
    folders = [folder for folder in named_by.parents if folder.is_relative_to(ROOT)]
    return any((folder / name).is_file() for folder in folders)
