"""The page at ``/``, its files below ``/static/``, and what is said of the server as a whole."""

import hashlib
import mimetypes
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply

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


class Pages:
    """For anybody, as often as they like."""

    def __init__(self, version: str) -> None:
        self._version = version

    def resources(self) -> Sequence[Resource]:
        page, static = ({"GET": get, "HEAD": get} for get in (self.page, self.static))
        return [
            Resource(re.compile(r"/"), page, is_public=True),
            Resource(re.compile(r"/static/(.+)"), static, is_public=True),
            Resource(re.compile(r"\*"), {}, is_public=True),  # OPTIONS alone can ask for it
        ]

    async def page(self, exchange: Exchange) -> Reply:
        """HTML for people; for programs that ask for JSON, who we are."""
        accept = exchange.headers.get("Accept", "")
        if "application/json" in accept and "text/html" not in accept:
            return json_reply({"message": "Longshore", "version": self._version}, headers={"Vary": "Accept"})
        reply = _file(exchange, STATIC_FOLDER / "index.html")
        reply.headers["Vary"] = "Accept"
        return reply

    async def static(self, exchange: Exchange, name: str) -> Reply:
        path = _static_files().get(unquote(name))
        if path is None:
            raise Refusal(404, "not_found")
        return _file(exchange, path)


@cache
def _static_files() -> Mapping[str, Path]:
    return {path.relative_to(STATIC_FOLDER).as_posix(): path for path in STATIC_FOLDER.rglob("*") if path.is_file()}


def _file(exchange: Exchange, path: Path) -> Reply:
    content, tag, media_type = _read(path, path.stat().st_mtime_ns)
    headers = {**_SECURITY, "ETag": tag}
    if tag in (one.strip().removeprefix("W/") for one in exchange.headers.get("If-None-Match", "").split(",")):
        return Reply(304, headers)
    return Reply(200, {**headers, "Content-Type": media_type}, content)


@cache
def _read(path: Path, changed_at: int) -> tuple[bytes, str, str]:  # noqa: ARG001 -- what was cached before is stale then
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if media_type == "text/html" else ""
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"', media_type + charset
