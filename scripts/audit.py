"""Asks whether what is pinned has known vulnerabilities: pip-audit and the OSV database, where both can be reached.

pip-audit itself comes by uv, of this one version, and is kept by it; nothing is installed into .venv. Where it can't be
had, or does not get its answers, that is said and is no failure: a machine without a network still has to lint.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINNED = "requirements-dev.txt"  # what the others have is in it, by the same pins
_TOOL = "pip-audit==2.10.1"
_FETCH_SECONDS = 60
_ASK_SECONDS = 120


def main() -> int:
    audit = _audit()
    if audit is None:
        return _skipped("pip-audit can't be had: no index is reachable")
    found = _run([*audit, "--requirement", PINNED, *_OPTIONS], _ASK_SECONDS)
    try:
        packages = json.loads(found or "")["dependencies"]
    except (ValueError, KeyError):
        return _skipped("the OSV database is not reachable")
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        for flaw in package["vulns"]:
            better = ", ".join(flaw["fix_versions"]) or "none yet"
            print(f"{package['name']} {package['version']}: {flaw['id']} (mended in: {better})", file=sys.stderr)
    return 1 if vulnerable else 0


# The pins are complete and hashed, so nothing has to be resolved.
_OPTIONS = ("--require-hashes", "--disable-pip", "--vulnerability-service=osv", "--format=json", "--timeout=10")


def _audit() -> list[str] | None:
    """How pip-audit is called here."""
    beside_us = Path(sys.executable).parent / "uv"
    uv = str(beside_us) if beside_us.exists() else shutil.which("uv")
    if uv is None:
        return None
    call = [uv, "tool", "run", "--quiet", "--from", _TOOL, "pip-audit"]
    return call if _run([*call, "--version"], _FETCH_SECONDS) else None


def _run(command: list[str], seconds: float) -> str | None:
    """What it prints, however it ends; None where it has nothing to say in time."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout or None


def _skipped(reason: str) -> int:
    print(f"AUDIT SKIPPED: {reason}; known vulnerabilities of what is pinned were NOT looked for")
    return 0


if __name__ == "__main__":
    sys.exit(main())
