"""The page at ``/``, its files below ``/static/``, and the answer to paths that are nobody's."""

from pathlib import Path

from tornado.web import HTTPError, StaticFileHandler

from adapters.inbound.http.engine.handlers import ProblemHandler

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
