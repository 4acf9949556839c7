"""Which foreign pages may call us from a browser: none, unless CORS_ORIGINS names them."""

from collections.abc import Collection

from tornado.httputil import HTTPServerRequest

_EXPOSED = (
    "Location",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Defer-Length",
    "Upload-Concat",
    "Upload-Expires",
    "Upload-Complete",
    "Upload-Incomplete",
    "Upload-Limit",
    "Accept-Patch",
    "Content-Location",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Repr-Digest",
    "Retry-After",
    "X-Request-Id",
)
_ALLOWED = (
    "Authorization",
    "Content-Digest",
    "Content-Type",
    "Content-Disposition",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Range",
    "Repr-Digest",
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Complete",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Draft-Interop-Version",
    "Upload-Incomplete",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "Want-Repr-Digest",
    "X-HTTP-Method-Override",
    "X-Request-Id",
    "X-Requested-With",
)


class Cors:
    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def allows(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins

    def headers(self, request: HTTPServerRequest) -> dict[str, str]:
        """What a reply to this request carries; nothing without an Origin that is allowed."""
        origin = request.headers.get("Origin")
        if not self._origins:
            return {}
        if origin is None or not self.allows(origin):
            return {"Vary": "Origin"}  # also without one: a cache must not give this reply to a page that is allowed
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": ", ".join(_EXPOSED),
            "Vary": "Origin",
        }

    def preflight(self, request: HTTPServerRequest) -> dict[str, str] | None:
        """The headers of the 204 that answers a preflight; None if the request is none, or not from an allowed page."""
        headers = request.headers
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in headers:
            return None
        if not self.allows(headers.get("Origin", "")):
            return None
        return {
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": ", ".join(_ALLOWED),
            "Access-Control-Max-Age": "86400",
        }
