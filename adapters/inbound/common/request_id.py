"""The name of one request, in its reply and in every log line about it; and of the trace of other programs' that it
belongs to (W3C Trace Context)."""

import itertools
import os
import re
from collections.abc import Mapping

import structlog

from application.observing.trace import enter
from domain.trace import Trace, parse_trace

_PROCESS = os.urandom(4).hex()
_NUMBERS = itertools.count(1)
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's own ``X-Request-Id`` if it is harmless in a log; else a new one, unique for long enough to find
    the request there, and no secret."""
    given = headers.get("X-Request-Id", "")
    return given if _HARMLESS.fullmatch(given) else f"{_PROCESS}-{next(_NUMBERS):x}"


def trace_of(headers: Mapping[str, str]) -> Trace | None:
    """None where the request is of none, or says so in a way that is none."""
    given = headers.get("traceparent")
    return parse_trace(given.strip()) if given else None


def bind_trace(trace: Trace, request_id: str) -> None:
    """From here on, both are in all that is logged in this context, and what is made in it remembers its trace."""
    enter(trace)
    structlog.contextvars.bind_contextvars(request_id=request_id)
