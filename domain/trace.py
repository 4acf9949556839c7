"""Traces of other programs (W3C Trace Context). Whose one is at work in: application/observing/trace.py."""

import re
from dataclasses import dataclass

# §3.2: the version, which is not ff; the trace's id, and the caller's own, neither all zeros; flags. What a later
# version has behind these is ignored (§4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII
)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """``span_id``: of what caused this in it. ``is_sampled``: who caused it keeps what is told of the trace, and wants
    others to."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def __str__(self) -> str:
        """As a ``traceparent``. Of its flags only the one that we know is passed on (§3.3)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


def parse_trace(traceparent: str) -> Trace | None:
    """None: it is malformed, which is nobody's fault that we would tell."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[5]):
        return None
    return Trace(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))
