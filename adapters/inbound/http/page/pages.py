"""The page at ``/``, its files below ``/static/``, and the answer to paths that are nobody's."""

import json
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from adapters.inbound.common.errors import problem
from adapters.inbound.common.request_id import request_id_of

log = structlog.get_logger(__name__)

STATIC_FOLDER = Path(__file__).parent / "static"
# Everything the page needs comes from here; it runs no inline script and can't be framed.
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class ProblemHandler(RequestHandler):
    """Says what is wrong as RFC 9457 problem details."""

    @cached_property
    def request_id(self) -> str:
        return request_id_of(self.request.headers)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Request-Id", self.request_id)

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 -- Tornado's signature
        about = problem(kwargs.get("exc_info", (None, HTTPError(status_code), None))[1], self.request_id)
        log.info("refused", method=self.request.method, path=self.request.path, **about)
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD")  # what was set before an error is cleared
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        _ = self.finish(json.dumps(about))

    def log_exception(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, HTTPError):  # those are refusals, told of by ``write_error``
            log.error("request failed", request_id=self.request_id, exc_info=error)


class Nowhere(ProblemHandler):
    def prepare(self) -> None:
        raise HTTPError(404)


class ReadOnly(ProblemHandler):
    """Knows GET and HEAD alone."""

    def prepare(self) -> None:
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(405)


class Page(ReadOnly):
    """HTML for people; for programs that ask for JSON, who we are."""

    def initialize(self, version: str) -> None:
        self._version = version

    def get(self) -> None:
        self.set_header("Vary", "Accept")
        accept = self.request.headers.get("Accept", "")
        if "application/json" in accept and "text/html" not in accept:
            self.write({"message": "Longshore", "version": self._version})
            return
        for name, value in _SECURITY.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        _ = self.finish((STATIC_FOLDER / "index.html").read_bytes())

    head = get


class StaticFiles(StaticFileHandler, ReadOnly):
    def set_extra_headers(self, path: str) -> None:
        for name, value in _SECURITY.items():
            self.set_header(name, value)
