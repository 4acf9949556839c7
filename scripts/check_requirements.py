"""Says whether the pinned requirements still match pyproject.toml; with ``--write`` makes them match.

Each file's second line is the command that made it. That command is run again in a copy, where uv keeps the
versions already pinned, so a new release elsewhere is no drift; a changed range in pyproject.toml is.
"""

import argparse
import difflib
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Each is constrained by those before.
FILES = (
    "requirements.txt",
    "requirements-s3.txt",
    "requirements-brokers.txt",
    "requirements-otel.txt",
    "requirements-dev.txt",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="write the files anew where they differ")
    write: bool = parser.parse_args().write
    with tempfile.TemporaryDirectory(prefix="requirements-") as name:
        copy = Path(name)
        for file in ("pyproject.toml", *FILES):
            shutil.copy(ROOT / file, copy)
        drifted = [file for file in FILES if not _matches(file, copy)]
        if write:
            for file in drifted:
                shutil.copy(copy / file, ROOT)
            return 0
    if drifted:
        print(
            f"{' and '.join(drifted)} no longer match pyproject.toml: run `make requirements`.",
            file=sys.stderr,
        )
    return 1 if drifted else 0


def _matches(file: str, copy: Path) -> bool:
    """Compile ``file`` anew inside ``copy``; print how it differs from the one in the project."""
    before = (ROOT / file).read_text()
    uv, *arguments = shlex.split(before.splitlines()[1].lstrip("# "))
    beside_us = Path(sys.executable).parent / uv
    done = subprocess.run(
        [beside_us if beside_us.exists() else uv, *arguments, "--quiet"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{file} could not be compiled anew:\n{done.stderr}")
    after = (copy / file).read_text()
    changes = difflib.unified_diff(before.splitlines(), after.splitlines(), file, f"{file}, anew", "", "", 0, "")
    print(*list(changes)[:40], sep="\n", end="")
    return before == after


if __name__ == "__main__":
    sys.exit(main())
