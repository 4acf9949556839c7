"""The page's modules: one concern each, no build, nothing from elsewhere, every sentence in every language."""

import json
import re
from pathlib import Path

from adapters.inbound.http.page.languages import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "adapters" / "inbound" / "http" / "page" / "static"
MOST_LINES = 250
_STRING = r'"((?:[^"\\]|\\.)*)"'


def _ours(*endings: str) -> list[Path]:
    return sorted(path for path in STATIC.rglob("*") if path.suffix in endings and "vendor" not in path.parts)


def test_no_file_of_the_page_holds_two_things() -> None:
    long = {str(path.relative_to(STATIC)): _lines(path) for path in _ours(".js", ".css", ".html")}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_every_file_of_the_page_opens_with_what_it_is() -> None:
    assert [
        str(path.relative_to(STATIC)) for path in _ours(".js", ".css") if not path.read_text().startswith("/*")
    ] == []


def test_modules_import_files_that_are_there_by_relative_paths() -> None:
    imports = re.compile(rf"(?:\bfrom\s*|\bimport\(\s*|^import\s*){_STRING}", re.MULTILINE)
    wrong = [
        f"{path.relative_to(STATIC)}: {name}"
        for path in _ours(".js")
        for name in imports.findall(path.read_text())
        if not (name.startswith((".", "..")) and (path.parent / name).is_file())
    ]
    assert wrong == []


def test_nothing_of_the_page_comes_from_another_origin() -> None:
    named = {
        f"{path.relative_to(STATIC)}: {url}"
        for path in _ours(".js", ".css", ".html")
        for url in re.findall(r"https?://[^\s\"'`)>]+", _without_comments(path.read_text()))
    }
    assert named == set()


def test_every_sentence_is_there_in_every_language() -> None:
    said, counted = _sentences()
    for language in set(LANGUAGES) - {"en"}:
        dictionary = "".join(path.read_text() for path in sorted((STATIC / "i18n").glob(f"{language}*.js")))
        known = {json.loads(f'"{key}"') for key in re.findall(rf"^  {_STRING}:", dictionary, re.MULTILINE)}
        forms = {json.loads(f'"{key}"') for key in re.findall(rf"^  {_STRING}: {{", dictionary, re.MULTILINE)}
        assert said - known == set(), language
        assert counted - forms == set(), language


def test_what_the_paper_says_is_shown_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "page.md").read_text())
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []


def _sentences() -> tuple[set[str], set[str]]:
    """What ``t()`` is given, and the plurals that ``tn()`` is."""
    said, counted = set(), set()
    for path in _ours(".js"):
        if path.parent.name == "i18n":
            continue
        text = path.read_text()
        said |= {json.loads(f'"{key}"') for key in re.findall(rf"\bt\(\s*{_STRING}", text)}
        counted |= {json.loads(f'"{many}"') for _, many in re.findall(rf"\btn\(\s*{_STRING},\s*{_STRING}", text)}
    return said, counted


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", text, flags=re.DOTALL | re.MULTILINE)
