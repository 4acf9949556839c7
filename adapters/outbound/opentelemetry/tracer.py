"""Spans as OpenTelemetry's SDK samples, gathers and sends them, in a thread of its own.
Contract: tests/contract/test_tracer.py.

Where to, how many and how is the SDK's to read from its own variables (``OTEL_…``).
"""

import asyncio
import random
import threading
import time

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider, id_generator
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import SpanKind as Kind

from domain.trace import Span, SpanKind, Trace
from ports.tracer import Tracer

_NAME = "longshore"
_KINDS = {SpanKind.SERVER: Kind.SERVER, SpanKind.CLIENT: Kind.CLIENT, SpanKind.CONSUMER: Kind.CONSUMER}
_END_SECONDS = 5.0


class OpenTelemetryTracer(Tracer):
    """``close`` it at the end."""

    def __init__(self, version: str, *, end_seconds: float = _END_SECONDS) -> None:
        """``end_seconds``: how long what has been gathered may take to be sent at the end."""
        self._end_seconds = end_seconds
        self._ids = _KnownIds()
        ours = Resource.create({"service.name": _NAME, "service.version": version})
        self._provider = TracerProvider(
            resource=ours.merge(OTELResourceDetector().detect()), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(_NAME, version)

    def begun(self, cause: Trace | None) -> Trace | None:
        trace_id = int(cause.trace_id, 16) if cause else _some_id(128)
        context = _caused_by(cause.trace_id, cause.span_id, is_sampled=cause.is_sampled) if cause else Context()
        is_sampled = self._provider.sampler.should_sample(context, trace_id, "").decision is Decision.RECORD_AND_SAMPLE
        return Trace(f"{trace_id:032x}", f"{_some_id(64):016x}", is_sampled, cause.span_id if cause else "")

    def ended(self, span: Span) -> None:
        trace, end = span.trace, time.time_ns()
        if not trace.is_sampled:
            return
        self._ids.trace_id, self._ids.span_id = int(trace.trace_id, 16), int(trace.span_id, 16)
        context = _caused_by(trace.trace_id, trace.parent_id, is_sampled=True) if trace.parent_id else Context()
        began = end - round(span.seconds * 1e9)
        told = self._tracer.start_span(
            span.name, context, kind=_KINDS[span.kind], attributes=span.attributes, start_time=began
        )
        if span.has_failed:
            told.set_status(StatusCode.ERROR)
        told.end(end)

    async def close(self) -> None:
        """Send what has been gathered, unless that takes too long."""
        ending = threading.Thread(target=self._provider.shutdown, name="opentelemetry_end", daemon=True)
        ending.start()
        until = time.monotonic() + self._end_seconds
        while ending.is_alive() and time.monotonic() < until:  # noqa: ASYNC110 -- a thread's to say
            await asyncio.sleep(0.01)


class _KnownIds(id_generator.IdGenerator):
    """Those of what is told next: it had them while it was under way, for what it caused in its turn."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


def _some_id(bits: int) -> int:
    """Zero is none."""
    return random.getrandbits(bits) or 1


def _caused_by(trace_id: str, span_id: str, *, is_sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    cause = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(cause), Context())
