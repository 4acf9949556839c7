"""Documents that name a test for each statement of a standard: those tests have to be there, each statement once."""

import re

import pytest

from tests.architecture.source import ROOT, modules

_TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
_V5 = [f"5.{section}.{row}" for section, rows in ((1, 1), (2, 6), (3, 3), (4, 3)) for row in range(1, rows + 1)]


@pytest.mark.parametrize(("page", "least"), [("resumable-uploads", 30), ("asvs", 20)])
def test_every_test_that_a_table_names_is_there(page: str, least: int) -> None:
    named = set(re.findall(r"`(test_\w+)`", _read(page)))
    there = {name for module in modules("tests") for name in _TEST.findall(module.text)}
    assert len(named) > least
    assert named - there == set()


def test_statements_are_numbered_without_gaps() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \| \w", _read("resumable-uploads"), re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_requirement_for_files_is_answered_and_shown_where_it_is_met() -> None:
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| 5\..*", _read("asvs"), re.MULTILINE)]
    assert [row[0] for row in rows] == _V5
    assert [row[0] for row in rows if row[3] != "**no**" and "`test_" not in row[-1]] == []


def _read(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()
