"""W3C Trace Context: to which trace of other programs' a request belongs, in every log line about it."""

import re
from collections.abc import Mapping

import structlog

# §3.2: the version, which is not ff; the trace's id, and the caller's own, neither all zeros; flags. What a later
# version has behind these is ignored (§4.3).
_TRACEPARENT = re.compile(
    r"(?:00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"|(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)"
)


def trace_id_of(headers: Mapping[str, str]) -> str:
    """Empty where the request is of none, or says so in a way that is none."""
    given = headers.get("traceparent")
    found = _TRACEPARENT.fullmatch(given.strip()) if given else None
    return (found[1] or found[2]) if found else ""


def bind_trace(trace_id: str, request_id: str) -> None:
    """From here on, both are in all that is logged in this context."""
    structlog.contextvars.bind_contextvars(trace_id=trace_id, request_id=request_id)
