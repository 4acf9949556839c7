"""The libraries that the page brings along are the published ones, with their licences.

Browsers know no bare names of packages without an import map, which would be an inline script: where a published module
imports another by its package's name, that name is a relative path here. Nothing else is changed.
"""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.support.processes.services import require

ROOT = Path(__file__).resolve().parents[3]
VENDORED = ROOT / "adapters" / "inbound" / "http" / "page" / "static" / "vendor"
PACKAGES = ROOT / "tests" / "clients" / "node_modules"
_PATHS = {
    'from"preact"': {"preact": 'from"./preact.mjs"', "preact-signals": 'from"../preact/preact.mjs"'},
    'from"preact/hooks"': {"preact-signals": 'from"../preact/hooks.mjs"'},
    'from"@preact/signals-core"': {"preact-signals": 'from"../preact-signals-core/signals-core.mjs"'},
}
FILES = {
    "tus-js-client": ("tus-js-client", {"tus.min.js": "dist/tus.min.js"}),
    "preact": ("preact", {"preact.mjs": "dist/preact.mjs", "hooks.mjs": "hooks/dist/hooks.mjs"}),
    "htm": ("htm", {"htm.mjs": "dist/htm.mjs"}),
    "preact-signals": ("@preact/signals", {"signals.mjs": "dist/signals.mjs"}),
    "preact-signals-core": ("@preact/signals-core", {"signals-core.mjs": "dist/signals-core.mjs"}),
    "uplot": ("uplot", {"uPlot.iife.min.js": "dist/uPlot.iife.min.js", "uPlot.min.css": "dist/uPlot.min.css"}),
    "uqr": ("uqr", {"index.mjs": "dist/index.mjs"}),
}


def test_every_library_has_its_licence_and_says_what_it_is() -> None:
    assert {folder.name for folder in VENDORED.iterdir()} == set(FILES)
    for folder, (package, files) in FILES.items():
        note = (VENDORED / folder / "VERSION").read_text()
        assert re.match(rf"{re.escape(package)} \d+\.\d+\.\d+ \(https://\S+\), \S+, see LICENSE\.\n", note), folder
        assert (VENDORED / folder / "LICENSE").stat().st_size > 500, folder
        told = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", note, re.MULTILINE)}
        there = {name: hashlib.sha256((VENDORED / folder / name).read_bytes()).hexdigest() for name in files}
        assert told == there, folder


@pytest.mark.npm
@pytest.mark.parametrize("folder", FILES)
def test_they_are_the_published_ones(folder: str) -> None:
    package, files = FILES[folder]
    published = PACKAGES / package
    if not published.is_dir():
        require(package, "run `npm ci --prefix tests/clients`")
    version = json.loads((published / "package.json").read_text())["version"]
    assert (VENDORED / folder / "VERSION").read_text().startswith(f"{package} {version} ")
    assert (VENDORED / folder / "LICENSE").read_bytes() == (published / "LICENSE").read_bytes()
    for ours, theirs in files.items():
        text = (published / theirs).read_text()
        for name, paths in _PATHS.items():
            text = text.replace(name, paths.get(folder, name))
        assert (VENDORED / folder / ours).read_text() == text, ours
