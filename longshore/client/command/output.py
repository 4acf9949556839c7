"""What is told of a run: results on stdout, everything else on stderr; for people or, line by line, as JSON."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from longshore.client.errors import ClientError, Refused

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def plain(text: str) -> str:
    """What somebody else called a thing, without what a terminal would act on."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def size_of(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def instant(moment: datetime | None) -> str | None:
    """As the server tells it, with a ``Z``."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


@dataclass(frozen=True, slots=True)
class Output:
    is_json: bool = False
    is_quiet: bool = False

    def tell(self, words: str, about: Mapping[str, Any]) -> None:
        """A result: ``about`` it as JSON, or in words."""
        if self.is_json:
            print(json.dumps(about), flush=True)
        elif not self.is_quiet:
            print(plain(words), flush=True)

    def complain(self, error: Exception, *, of: str | None = None) -> None:
        """What went wrong, with what; said whatever else is not."""
        words, code = words_of(error), code_of(error)
        request_id = error.request_id if isinstance(error, Refused) else ""
        if self.is_json:
            about = {"event": "failed", "file": of, "error": words, "code": code, "request_id": request_id or None}
            print(json.dumps({key: value for key, value in about.items() if value is not None}), flush=True)
        else:
            named = f"{plain(of)}: " if of else ""
            print(
                f"longshore: {named}{plain(words)}{f' (request {request_id})' if request_id else ''}", file=sys.stderr
            )

    def note(self, words: str) -> None:
        """What a person wants to know and a program sees by itself."""
        if not self.is_json and not self.is_quiet:
            print(f"longshore: {words}", file=sys.stderr)

    @property
    def shows_bars(self) -> bool:
        return not self.is_json and not self.is_quiet and sys.stderr.isatty()


def words_of(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, Refused) and error.scheme.lower() == "bearer":
        return f"{error} ($LONGSHORE_TOKEN {'is not accepted' if os.environ.get('LONGSHORE_TOKEN') else 'is not set'})"
    return str(error) or type(error).__name__


def code_of(error: Exception) -> str:
    return error.code if isinstance(error, ClientError) else "file_error"
