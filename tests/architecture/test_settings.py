"""What is written about the settings is what the capabilities bring."""

import re
from pathlib import Path

import pytest

from infrastructure.capabilities import CAPABILITIES
from infrastructure.capability import Variables
from infrastructure.setting_sources import load_settings
from infrastructure.settings import Settings
from tests.architecture.source import ROOT

_EXAMPLE = (ROOT / ".env.example").read_text()
_PAGE = (ROOT / "docs" / "settings.md").read_text()
_BROUGHT = [capability.variables for capability in CAPABILITIES if capability.variables is not None]


def _documented_defaults(page: str = _PAGE) -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|empty) \|", page, re.MULTILINE)
    return dict(rows)


def _example_defaults(example: str = _EXAMPLE) -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))


def _own(variables: type[Variables]) -> set[str]:
    """The names that this class brings and not one that it builds on."""
    return {name.upper() for name in vars(variables)["__annotations__"] if name in variables.model_fields}


def test_the_example_file_shows_the_defaults(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("\n".join(f"{name}={value}" for name, value in _example_defaults().items()))
    assert load_settings({}, dotenv) == load_settings({}, tmp_path / "none")


def test_the_example_file_sets_nothing() -> None:
    assert [line for line in _EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_the_page_and_the_example_file_name_the_same_settings() -> None:
    assert _documented_defaults() == _example_defaults()


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(_documented_defaults()) == {name.upper() for name in Settings.model_fields}


def test_the_settings_are_what_the_capabilities_bring() -> None:
    assert set(Settings.__bases__) == set(_BROUGHT)
    assert sorted(name for variables in _BROUGHT for name in _own(variables)) == sorted(
        name.upper() for name in Settings.model_fields
    )


@pytest.mark.parametrize("variables", _BROUGHT, ids=lambda variables: variables.__module__.rpartition(".")[2])
def test_what_one_capability_brings_stands_together(variables: type[Variables]) -> None:
    assert _own(variables) in [set(_documented_defaults(group)) for group in _PAGE.split("\n## ")]
    assert _own(variables) in [set(_example_defaults(group)) for group in _EXAMPLE.split("\n# --- ")]
