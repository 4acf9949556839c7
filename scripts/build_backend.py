"""Builds the wheel: what lies side by side in a checkout becomes one package, beside anybody's own ``domain``.

pip and build call it (PEP 517, ``pyproject.toml``). The five packages are laid into ``longshore``, names of their
modules are written out in full there, and setuptools packs the result. Decision 0042 says why.
"""

import ast
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "longshore"
PACKAGES = ("domain", "ports", "application", "adapters", "infrastructure")
_BESIDE = ("pyproject.toml", "README.md", "LICENSE")
_IN_SOURCES = (*_BESIDE, "CHANGELOG.md", "alembic.ini", "starter.py", "scripts/build_backend.py")

_TOP = "|".join(PACKAGES)
_IMPORTED = re.compile(rf"^([ \t]*(?:from|import)[ \t]+)((?:{_TOP})[ \t])", re.MULTILINE)
"""``from domain import errors``: no dot tells it from a word."""
_DOTTED = re.compile(rf"(?<![\w./])((?:{_TOP})(?:\.\w+)+)", re.ASCII)
"""In an import, or in a string that names a module for later."""
_SETUPTOOLS = f"""
[tool.setuptools.packages.find]
include = ["{NAME}*"]
namespaces = false

[tool.setuptools.package-data]
"*" = ["**/*"]
"""


def build_wheel(
    wheel_directory: str, config_settings: Mapping[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    from setuptools import build_meta  # noqa: PLC0415 -- what is tested of us does without

    target = Path(wheel_directory).resolve()
    with _laid_out() as stage, _working_in(stage):
        return str(build_meta.build_wheel(str(target)))


def build_sdist(sdist_directory: str, config_settings: Mapping[str, Any] | None = None) -> str:
    """What a wheel is built of, as it lies in a checkout."""
    from setuptools import build_meta  # noqa: PLC0415

    with _laid_out() as stage, _working_in(stage):
        info = stage / build_meta.prepare_metadata_for_build_wheel(str(stage))
        version = re.search(r"^Version: (\S+)$", (info / "METADATA").read_text(), re.MULTILINE)
        base = f"{NAME}-{version[1] if version else 0}"
        with tarfile.open(Path(sdist_directory) / f"{base}.tar.gz", "w:gz") as archive:
            archive.add(info / "METADATA", f"{base}/PKG-INFO")
            for path in (*(ROOT / name for name in _IN_SOURCES), *_sources(NAME, *PACKAGES)):
                archive.add(path, f"{base}/{path.relative_to(ROOT)}")
    return f"{base}.tar.gz"


def lay_out(stage: Path) -> None:
    """The package as it is installed, and what is told of it, into the folder ``stage``."""
    for path in _sources(NAME, *PACKAGES):
        own = path.relative_to(ROOT)
        target = stage / own if own.parts[0] == NAME else stage / NAME / own
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            target.write_text(named_in_full(path.read_text(encoding="utf-8"), str(own)), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    for name in _BESIDE:
        shutil.copyfile(ROOT / name, stage / name)
    with (stage / "pyproject.toml").open("a") as project:
        project.write(_SETUPTOOLS)


def named_in_full(source: str, where: str) -> str:
    """``source`` with the names of our modules as they are in the wheel, in imports, strings and comments alike.

    Raises:
        ValueError: an import would still lead to somebody else's package.
    """
    named = _IMPORTED.sub(rf"\1{NAME}.\2", source)
    named = _DOTTED.sub(lambda found: f"{NAME}.{found[1]}" if _is_module(found[1]) else found[1], named)
    for node in ast.walk(ast.parse(named)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if lost := [name for name in names if name.partition(".")[0] in PACKAGES]:
            raise ValueError(f"{where}: {lost[0]} is imported in a way that can't be named in full")
    return named


def _is_module(dotted: str) -> bool:
    """Whether the name is a module's or leads into one: its second word is a file or a folder."""
    top, second = dotted.split(".")[:2]
    return (ROOT / top / second).is_dir() or (ROOT / top / f"{second}.py").is_file()


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                yield path


@contextmanager
def _laid_out() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="longshore-build-") as name:
        stage = Path(name).resolve()
        lay_out(stage)
        yield stage


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """setuptools builds what is in the current folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
