"""Which foreign pages may call us from a browser: none, unless CORS_ORIGINS names them.

What a page may read of a reply is said by the dialect that gives it, with its ``Resource``.
"""

import re
from collections.abc import Collection
from functools import cache

from adapters.inbound.common.heads import Head
from adapters.inbound.common.uris import parse_origin

_EXPOSED_BY_ALL = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id")
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 §5.6.2
_NAMES = re.compile(rf"{_NAME}(?:[ \t]*,[ \t]*{_NAME})*", re.ASCII)
_MAX_NAMES_LENGTH = 2048


class Cors:
    def __init__(self, origins: Collection[str]) -> None:
        self.origins = frozenset(origins)
        """Without any, replies say nothing of all this."""
        self._parsed = frozenset(map(parse_origin, self.origins)) - {None}

    def allows(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins or parse_origin(origin) in self._parsed

    def headers(self, request: Head, exposes: tuple[str, ...] = ()) -> dict[str, str]:
        """What a reply to this request carries; ``exposes``: those of its headers that a page may read."""
        if not self.origins:
            return {}
        origin = request.headers.get("Origin")
        if origin is None or not self.allows(origin):
            return {"Vary": "Origin"}  # also without one: a cache must not give this reply to a page that is allowed
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _joined(exposes),
            "Vary": "Origin",
        }

    def preflight(self, request: Head) -> dict[str, str] | None:
        """The headers of the 204 that answers a preflight; None if this OPTIONS is none, or not from an allowed page.

        Whatever headers are asked for are allowed (docs/http.md), if it is names that are asked for.
        """
        headers = request.headers
        if "Access-Control-Request-Method" not in headers:
            return None
        if not self.allows(headers.get("Origin", "")):
            return None
        answer = {
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Max-Age": "86400",
        }
        names = headers.get("Access-Control-Request-Headers", "").strip()
        if len(names) <= _MAX_NAMES_LENGTH and _NAMES.fullmatch(names):
            answer["Access-Control-Allow-Headers"] = names
        return answer


@cache  # there are as many as there are resources
def _joined(exposes: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys((*exposes, *_EXPOSED_BY_ALL)))
