"""docs/resumable-uploads.md names a test for each statement of the draft: those tests have to be there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def test_every_test_that_the_table_names_is_there() -> None:
    page = (ROOT / "docs" / "resumable-uploads.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    files = (ROOT / "tests" / "e2e").glob("*.py")
    there = {name for file in files for name in _TEST.findall(file.read_text())}
    assert len(named) > 30
    assert named - there == set()


def test_statements_are_numbered_without_gaps() -> None:
    page = (ROOT / "docs" / "resumable-uploads.md").read_text()
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \| \w", page, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
