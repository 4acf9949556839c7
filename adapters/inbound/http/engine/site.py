"""Which names we answer to, and whose pages may change something here: asked before anything else of a request.

A browser sends what any page tells it to, to us as well: a form on a stranger's page would post files, and a name that
its owner points to 127.0.0.1 would make us a part of the stranger's site. Who is no browser says neither.
"""

from collections.abc import Collection

from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.heads import Head
from adapters.inbound.common.uris import origin_of, parse_authority, parse_host, parse_origin
from adapters.inbound.http.engine.cors import Cors

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME = frozenset({"same-origin", "none"})  # W3C Fetch Metadata §2.4; none: the visitor's own doing, no page's


class Site:
    def __init__(self, cors: Cors | None = None, *, public_url: str = "", names: Collection[str] | None = None) -> None:
        """``cors``: foreign pages that may call. ``names``: hosts that are answered to, on any port; None: whatever
        we are called."""
        self._cors = cors or Cors(())
        self._own = origin_of(public_url)
        self._names = None if names is None else frozenset(map(parse_host, names))

    def refusal(self, request: Head) -> Refusal | None:
        """421: under a name that is not ours; 403: a foreign page would change something, or open a WebSocket."""
        if self._names is not None and not self._is_called_right(request.host):
            words = "the server does not answer to this name: ALLOWED_HOSTS says which ones it has"
            return Refusal(421, "misdirected_request", words)
        is_a_pages = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
        if is_a_pages and self._changes_something(request) and self._is_of_foreign_page(request):
            words = (
                "pages of another origin may not do this: PUBLIC_URL says which one is ours, CORS_ORIGINS who else may"
            )
            return Refusal(403, "forbidden", words)
        return None

    def _is_called_right(self, host: str) -> bool:
        authority = parse_authority(host)
        return authority is not None and authority.host in (self._names or ())

    def _changes_something(self, request: Head) -> bool:
        headers = request.headers
        return request.method not in _CHANGES_NOTHING or "X-HTTP-Method-Override" in headers or "Upgrade" in headers

    def _is_of_foreign_page(self, request: Head) -> bool:
        """A browser knows by itself whether the page is ours, and no page can say it in its place; that counts more
        than the Host, which a proxy may have changed. Of WebSockets not all browsers say it, so there Origin decides.
        """
        origin = request.headers.get("Origin", "").strip()
        said = request.headers.get("Sec-Fetch-Site", "").strip().lower()
        if self._cors.allows(origin):
            return False
        if not origin or (said in _SAME and "Upgrade" not in request.headers):
            return said == "cross-site"
        parsed, host = parse_origin(origin), parse_authority(request.host)
        if parsed is None or parsed == self._own:
            return parsed is None
        return said == "cross-site" or host is None or not parsed.is_at(host)
