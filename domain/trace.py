"""Traces of other programs (W3C Trace Context). Whose one is at work in: application/observing/trace.py."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# §3.2: the version, which is not ff; the trace's id, and the caller's own, neither all zeros; flags. What a later
# version has behind these is ignored (§4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII
)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """``span_id``: of what is at work in it. ``is_sampled``: what is told of it is kept. ``parent_id``: the span that
    caused this one, where that is known."""

    trace_id: str
    span_id: str
    is_sampled: bool = True
    parent_id: str = ""

    def __str__(self) -> str:
        """As a ``traceparent``. Of its flags only the one that we know is passed on (§3.3)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


class SpanKind(StrEnum):
    SERVER = "server"
    """Somebody asked us."""
    CLIENT = "client"
    """We asked somebody."""
    CONSUMER = "consumer"
    """It had been put aside."""


@dataclass(frozen=True, slots=True)
class Span:
    """What was done, for who watches over many programs. No credential, token or query is in its ``attributes``, which
    have OpenTelemetry's names, or begin with ``longshore.``."""

    trace: Trace
    name: str
    kind: SpanKind
    seconds: float
    attributes: Mapping[str, str | int | bool]
    has_failed: bool = False
    """By our fault, or its receiver's."""


def parse_trace(traceparent: str) -> Trace | None:
    """None: it is malformed, which is nobody's fault that we would tell."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[5]):
        return None
    return Trace(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))
