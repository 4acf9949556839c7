"""Requests as spans, in the words of OpenTelemetry's conventions for HTTP."""

from adapters.inbound.common.visits import Observer, Visit
from domain.trace import Span, SpanKind, Trace
from infrastructure.observing.access_log import harmless
from ports.tracer import Tracer

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def telling(tracer: Tracer) -> Observer:
    def tell(visit: Visit) -> None:
        if visit.trace is not None and visit.trace.is_sampled:
            tracer.ended(_span(visit, visit.trace))

    return tell


def _span(visit: Visit, trace: Trace) -> Span:
    attributes: dict[str, str | int | bool] = {
        "http.request.method": visit.method if visit.method in _METHODS else "_OTHER",
        "url.path": harmless(visit.path),
        "http.response.status_code": visit.status,
        "http.request.body.size": visit.bytes_in,
        "http.response.body.size": visit.bytes_out,
        "client.address": visit.client,
    }
    if visit.route:
        attributes["http.route"] = visit.route
    if visit.is_cut:
        attributes["longshore.cut"] = True
    has_failed = visit.status >= 500 and not visit.is_left
    if has_failed:
        attributes["error.type"] = str(visit.status)
    method = visit.method if visit.method in _METHODS else "HTTP"
    name = f"{method} {visit.route}" if visit.route else method
    return Span(trace, name, SpanKind.SERVER, visit.seconds, attributes, has_failed=has_failed)
