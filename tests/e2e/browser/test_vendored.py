"""The library that the page brings along is the published one, untouched, with its licence."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.processes.services import require

ROOT = Path(__file__).resolve().parents[3]
VENDORED = ROOT / "adapters" / "inbound" / "http" / "page" / "static" / "vendor" / "tus-js-client"
PUBLISHED = ROOT / "tests" / "clients" / "node_modules" / "tus-js-client"


@pytest.fixture
def published() -> Path:
    if not PUBLISHED.is_dir():
        require("tus-js-client", "run `npm ci --prefix tests/clients`")
    return PUBLISHED


@pytest.mark.npm
def test_the_bundle_is_the_published_one(published: Path) -> None:
    assert (VENDORED / "tus.min.js").read_bytes() == (published / "dist" / "tus.min.js").read_bytes()
    assert (VENDORED / "LICENSE").read_bytes() == (published / "LICENSE").read_bytes()


@pytest.mark.npm
def test_the_version_note_is_true(published: Path) -> None:
    note = (VENDORED / "VERSION").read_text()
    version = json.loads((published / "package.json").read_text())["version"]
    assert note.startswith(f"tus-js-client {version} ")
    assert hashlib.sha256((VENDORED / "tus.min.js").read_bytes()).hexdigest() in note
