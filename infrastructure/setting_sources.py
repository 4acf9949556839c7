"""Reads the settings: environment variables, then ``.env``.

A value that is not allowed stops the start with one line for each problem; see ``load_settings``.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infrastructure.setting_values import mask_secrets
from infrastructure.settings import Settings

_SECRET_NAMES = frozenset(
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)


class SettingsError(Exception):
    """Settings that can't be started with; ``problems`` has one line each, no secret in any of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load_settings(env: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Settings:
    """Settings from ``env`` (None: this process's own) and, where that is silent, from the file ``dotenv``.

    An empty value counts as unset. Names that are not ours are nobody's business in the environment, but
    in the file they are a slip of the pen.

    Raises:
        SettingsError: with every problem there is.
    """
    environment = os.environ if env is None else env
    written, problems = _read_dotenv(dotenv)
    given = {}
    for field in Settings.model_fields:
        name = field.upper()
        if text := environment.get(name) or written.get(name):
            given[field] = text
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems += [line for details in error.errors() for line in _lines(details, given)]
    if problems:
        raise SettingsError(problems)
    return settings


def _read_dotenv(path: Path) -> tuple[dict[str, str], list[str]]:
    known = [name.upper() for name in Settings.model_fields]
    values, problems = {}, []
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        return {}, [f"{path}: can't be read ({reason})"]
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            written = binding.original.string
            line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            problems.append(f"{path}, line {line}: not of the form NAME=value")
        elif binding.key and binding.key not in known:
            near = difflib.get_close_matches(binding.key.upper(), known, n=1)
            problems.append(f"{binding.key}: unknown setting in {path}" + (f"; {near[0]}?" if near else ""))
        elif binding.key:
            values[binding.key] = binding.value or ""
    return values, problems


def _lines(details: ErrorDetails, given: Mapping[str, str]) -> list[str]:
    """A problem as the operator reads it: the variable, what it was given, what is allowed."""
    reason = str(details.get("ctx", {}).get("error", details["msg"]))
    if not details["loc"]:
        return reason.splitlines()
    if details["type"] == "bool_parsing":
        reason = "allowed: 1 or 0"
    elif details["type"] != "value_error":
        reason = "allowed: " + reason.removeprefix("Input should be ").removeprefix("a valid ")
    field = str(details["loc"][0])
    name = field.upper()
    text = "(hidden)" if name in _SECRET_NAMES else repr(mask_secrets(given.get(field, "")))
    return [f"{name}: {text if len(text) <= 80 else text[:79] + '…'} is not possible; {reason}"]
