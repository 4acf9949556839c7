"""Puts the parts together and runs them: settings, logging, wiring, servers, the command line."""

import functools
import tomllib
from importlib import metadata
from pathlib import Path


@functools.cache
def version() -> str:
    """Of the installed package, or of the checkout this runs from."""
    try:
        return metadata.version("longshore")
    except metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
