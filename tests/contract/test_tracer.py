"""Contract of ports/tracer.py: what somebody else's monitoring gets to know of what was done."""

import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from domain.trace import Span, SpanKind, Trace, parse_trace
from ports.tracer import Tracer
from tests.support.collector import Collector
from tests.support.until import wait_until

SAMPLED = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
UNSAMPLED = Trace("a3ce929d0e0e47364bf92f3577b34da6", "00f067aa0ba902b7", is_sampled=False)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as one:
        for name, value in one.settings.items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
async def tracer(collector: Collector) -> AsyncIterator[Tracer]:
    from adapters.outbound.opentelemetry.tracer import OpenTelemetryTracer

    one = OpenTelemetryTracer("1.2.3")
    yield one
    await one.close()


def span_of(trace: Trace | None, *, has_failed: bool = False) -> Span:
    assert trace is not None
    attributes: dict[str, str | int | bool] = {"http.response.status_code": 204, "url.path": "/a"}
    return Span(trace, "PATCH /a", SpanKind.SERVER, 1.5, attributes, has_failed=has_failed)


async def test_a_span_is_told_with_its_cause_and_how_long_it_took(tracer: Tracer, collector: Collector) -> None:
    begun = tracer.begun(SAMPLED)
    assert begun is not None and parse_trace(str(begun)) is not None
    tracer.ended(span_of(begun, has_failed=True))
    await wait_until(collector.spans)
    [told] = collector.spans()
    assert (told.name, told.kind, told.has_failed) == ("PATCH /a", "server", True)
    assert (told.trace_id, told.parent_id) == (SAMPLED.trace_id, SAMPLED.span_id)
    assert (told.trace_id, told.span_id) == (begun.trace_id, begun.span_id)
    assert told.attributes == {"http.response.status_code": 204, "url.path": "/a"}
    assert told.nanoseconds == pytest.approx(1.5e9)
    assert (told.resource["service.name"], told.resource["service.version"]) == ("longshore", "1.2.3")


async def test_at_the_end_nobody_waits_long_for_a_collector_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    from adapters.outbound.opentelemetry.tracer import OpenTelemetryTracer

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        tracer = OpenTelemetryTracer("1.2.3", end_seconds=0.1)
        tracer.ended(span_of(tracer.begun(SAMPLED)))
        began = time.monotonic()
        await tracer.close()
        assert 0.1 <= time.monotonic() - began < 1


async def test_without_a_cause_a_trace_begins(tracer: Tracer, collector: Collector) -> None:
    one, other = tracer.begun(None), tracer.begun(None)
    assert one is not None and other is not None and one.trace_id != other.trace_id
    child = tracer.begun(one)
    for each in (child, one, other):
        tracer.ended(span_of(each))
    await wait_until(lambda: len(collector.spans()) == 3)
    [first, second] = collector.spans(trace_id=one.trace_id)
    assert (first.parent_id, second.parent_id) == (one.span_id, "")


async def test_of_what_is_not_sampled_nothing_is_told_though_it_goes_on(tracer: Tracer, collector: Collector) -> None:
    begun = tracer.begun(UNSAMPLED)
    assert begun is not None and begun.trace_id == UNSAMPLED.trace_id and not begun.is_sampled
    child = tracer.begun(begun)
    for each in (begun, child, tracer.begun(SAMPLED)):
        tracer.ended(span_of(each))
    await wait_until(collector.spans)
    assert [told.trace_id for told in collector.spans()] == [SAMPLED.trace_id]
