"""Which trace what is done just now belongs to: that of a request, and of the jobs that come of it, in any process.

It goes by the context of asyncio's tasks, so that nobody on the way has to hand it on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from domain.job import JobsOf
from domain.trace import Trace

_here: ContextVar[Trace | None] = ContextVar("trace", default=None)
current_trace = _here.get
"""None: it belongs to none."""


def enter(trace: Trace) -> None:
    """From here on, all in this context belongs to it."""
    _here.set(trace)


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """All that is done there belongs to it, and to no other."""
    before = _here.set(trace)
    try:
        yield
    finally:
        _here.reset(before)


def trace_headers() -> Mapping[str, str]:
    """For whoever is asked for something from here."""
    trace = current_trace()
    return {"traceparent": str(trace)} if trace else {}


def remembering(jobs_of: JobsOf) -> JobsOf:
    """Such that each job belongs to the trace that it was asked for in."""
    return lambda event: [replace(job, trace=current_trace()) for job in jobs_of(event)]
