"""The command ``longshore``: verbs of the server (``infrastructure/cli.py``) and of the client (``client/command``).

Each side is imported when one of its verbs is asked for, so either works where the other's packages are missing.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from longshore.client.verbs import VERBS

_MISUSED = 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and end the process; what its code means is said by the side whose verb it is."""
    words = sys.argv[1:] if arguments is None else [*arguments]
    if words and words[0] in VERBS:
        _of_client(words)
    if words and words[0].startswith("-") and (verb := next((word for word in words if word in VERBS), None)):
        print(f"longshore: options come after their verb: longshore {verb} {words[0]} …", file=sys.stderr)  # noqa: T201
        sys.exit(_MISUSED)
    _of_server(words or ["--help"])


def _of_client(words: Sequence[str]) -> NoReturn:
    with _having("client"):
        from longshore.client.command.main import main as run  # noqa: PLC0415

        run(words)


def _of_server(words: Sequence[str]) -> NoReturn:
    with _having("server"):
        from infrastructure.cli import main as run  # noqa: PLC0415

        run(words, program="longshore", others=VERBS)


@contextmanager
def _having(extra: str) -> Iterator[None]:
    """One line where a package is missing: each side is installed for itself by those who install without the other."""
    try:
        yield
    except ModuleNotFoundError as error:
        print(f"this needs the package {error.name}: pip install 'longshore[{extra}]'", file=sys.stderr)  # noqa: T201
        sys.exit(_MISUSED)
