"""Counts requests as they end: how many of which kind, how long they took, how many bytes they moved."""

from collections.abc import Sequence

from adapters.inbound.common.visits import Visit
from domain.measures import Counter, Family, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOBODYS = "other"


class RequestMeasures:
    """Of WebSockets and event streams, which last as long as somebody watches, no time is taken."""

    def __init__(self) -> None:
        self._requests = Counter(
            "longshore_http_requests_total",
            "Requests that are over; of WebSockets and event streams, those that have ended.",
            ("method", "route", "status"),
        )
        self._seconds = Histogram(
            "longshore_http_request_duration_seconds",
            "From a request's head to the last byte of its reply.",
            _SECONDS,
            ("method", "route"),
        )
        self._bytes_in = Counter("longshore_http_request_body_bytes_total", "Bytes of bodies that have come.")
        self._bytes_out = Counter("longshore_http_response_body_bytes_total", "Bytes of replies that have gone.")

    def observe(self, visit: Visit) -> None:
        method = visit.method if visit.method in _METHODS else _NOBODYS
        route = visit.route or _NOBODYS
        class_ = "cut" if visit.is_left else _CLASSES.get(visit.status // 100, _NOBODYS)
        self._requests.add(1, method, route, class_)
        if not visit.is_endless:
            self._seconds.observe(visit.seconds, method, route)
        if visit.bytes_in:
            self._bytes_in.add(visit.bytes_in)
        if visit.bytes_out:
            self._bytes_out.add(visit.bytes_out)

    def families(self) -> Sequence[Family]:
        return [measure.family() for measure in (self._requests, self._seconds, self._bytes_in, self._bytes_out)]


_CLASSES = {number: f"{number}xx" for number in range(1, 6)}
