"""What a test does when a real server or tool it needs is not on this machine.

It skips and says why; where the run promises to have everything (``REQUIRE_SERVICES=1``, as CI does) it fails
instead, so that a missing tool can never turn into a green run that tested nothing.
"""

import os
import shutil
from typing import NoReturn

import pytest


def services_are_required() -> bool:
    return os.environ.get("REQUIRE_SERVICES", "") not in ("", "0")


def require(service: str, reason: str) -> NoReturn:
    """End the test because ``service`` is missing: skipped, or failed under ``REQUIRE_SERVICES=1``."""
    message = f"{service} is not available: {reason}"
    if services_are_required():
        pytest.fail(f"{message} (REQUIRE_SERVICES=1)", pytrace=False)
    pytest.skip(message)


def require_program(*names: str) -> str:
    """The path of the first of ``names`` that is on PATH (or in the sbin folders); else as ``require``."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for name in names:
        if found := shutil.which(name, path=search):
            return found
    require(names[0], f"none of {', '.join(names)} is on PATH")
