"""The name of one request, in its reply and in every log line about it; and of the trace of other programs' that it
belongs to (W3C Trace Context)."""

import itertools
import os
import re
from collections.abc import Mapping

import structlog

_PROCESS = os.urandom(4).hex()
_NUMBERS = itertools.count(1)
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# §3.2: the version, which is not ff; the trace's id, and the caller's own, neither all zeros; flags. What a later
# version has behind these is ignored (§4.3).
_TRACEPARENT = re.compile(
    r"(?:00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"|(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)"
)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's own ``X-Request-Id`` if it is harmless in a log; else a new one, unique for long enough to find
    the request there, and no secret."""
    given = headers.get("X-Request-Id", "")
    return given if _HARMLESS.fullmatch(given) else f"{_PROCESS}-{next(_NUMBERS):x}"


def trace_id_of(headers: Mapping[str, str]) -> str:
    """Empty where the request is of none, or says so in a way that is none."""
    given = headers.get("traceparent")
    found = _TRACEPARENT.fullmatch(given.strip()) if given else None
    return (found[1] or found[2]) if found else ""


def bind_trace(trace_id: str, request_id: str) -> None:
    """From here on, both are in all that is logged in this context."""
    structlog.contextvars.bind_contextvars(trace_id=trace_id, request_id=request_id)
