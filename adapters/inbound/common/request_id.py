"""The name of one request, in its reply and in every log line about it."""

import itertools
import os
import re
from collections.abc import Mapping

_PROCESS = os.urandom(4).hex()
_NUMBERS = itertools.count(1)
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's own ``X-Request-Id`` if it is harmless in a log; else a new one, unique for long enough to find
    the request there, and no secret."""
    given = headers.get("X-Request-Id", "")
    return given if _HARMLESS.fullmatch(given) else f"{_PROCESS}-{next(_NUMBERS):x}"
