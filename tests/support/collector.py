"""An OpenTelemetry collector on loopback: takes spans by OTLP over HTTP, and reads them by its own schema."""

import gzip
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.processes.services import require

KINDS = {2: "server", 3: "client", 5: "consumer"}
_FAILED = 2


@dataclass(frozen=True)
class Told:
    """One span as it came; ids in hex."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    nanoseconds: int
    has_failed: bool


class Collector:
    """``raw``: all bodies, to look for what must not be there."""

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: F401
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        except ModuleNotFoundError as error:
            require("OpenTelemetry", f"{error}; it is among the development requirements")
        self._message: Any = ExportTraceServiceRequest
        self.raw: list[bytes] = []
        self.paths: set[str] = set()
        self._spans: list[Told] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def settings(self) -> dict[str, str]:
        """Of who is to send here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        self.raw.append(body)
        for of_resource in self._message.FromString(body).resource_spans:
            resource = _values(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self._spans += [_told(span, resource) for span in scope.spans]

    def spans(self, kind: str = "", trace_id: str = "") -> Sequence[Told]:
        return [one for one in list(self._spans) if kind in ("", one.kind) and trace_id in ("", one.trace_id)]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _told(span: Any, resource: Mapping[str, Any]) -> Told:
    return Told(
        name=span.name,
        kind=KINDS.get(span.kind, str(span.kind)),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        resource=resource,
        nanoseconds=span.end_time_unix_nano - span.start_time_unix_nano,
        has_failed=span.status.code == _FAILED,
    )


def _values(attributes: Any) -> Mapping[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
