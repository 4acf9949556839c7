"""What is written about the settings is what the settings are."""

import re
from pathlib import Path

from infrastructure.settings import Settings, load_settings
from tests.architecture.source import ROOT

_EXAMPLE = (ROOT / ".env.example").read_text()
_PAGE = (ROOT / "docs" / "settings.md").read_text()


def _documented_defaults() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`|empty) \|", _PAGE, re.MULTILINE)
    return dict(rows)


def _example_defaults() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", _EXAMPLE, re.MULTILINE))


def test_the_example_file_shows_the_defaults(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("\n".join(f"{name}={value}" for name, value in _example_defaults().items()))
    assert load_settings({}, dotenv) == load_settings({}, tmp_path / "none")


def test_the_example_file_sets_nothing() -> None:
    assert [line for line in _EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_the_page_and_the_example_file_name_the_same_settings() -> None:
    assert _documented_defaults() == _example_defaults()


def test_only_settings_that_exist_are_documented() -> None:
    assert set(_documented_defaults()) - {name.upper() for name in Settings.model_fields} == set()
