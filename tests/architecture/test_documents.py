"""What the papers say of the house is so: each record is listed, and what they name is there."""

import re

from tests.architecture.source import ROOT

_RECORDS = ROOT / "docs" / "decisions"


def test_every_decision_is_listed_once_in_its_order() -> None:
    listed = re.findall(r"^\| \[?(\d{4})", (_RECORDS / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(set(listed))
    assert {path.name[:4] for path in _RECORDS.glob("[0-9]*.md")} <= set(listed)
