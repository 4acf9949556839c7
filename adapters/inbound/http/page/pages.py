"""The page at ``/``, its files below ``/static/``, and what is said of the server as a whole.

There is no build: what is in ``static/`` is what is served. The page names its files below ``/static/<release>/``, by a
digest of them all, so that browsers may keep them for good; modules find each other there by relative paths.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.page.assets import Asset, Assets
from adapters.inbound.http.page.languages import preferred

_ASKED_AGAIN = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"
_INDEX = "index.html"


class Pages:
    """For anybody, as often as they like."""

    def __init__(self, version: str, *, downloads_from: str | None = None, assets: Assets | None = None) -> None:
        """``downloads_from``: another origin, if stored files are sent from there; previews show them."""
        self._version = version
        self._assets = assets or Assets()
        self._security = _security(downloads_from)

    def resources(self) -> Sequence[Resource]:
        page, static = ({"GET": get, "HEAD": get} for get in (self.page, self.static))
        return [
            Resource(re.compile(r"/"), page, is_public=True),
            Resource(re.compile(r"/static/(?P<name>.+)"), static, is_public=True),
            Resource(re.compile(r"\*"), {}, is_public=True),  # OPTIONS alone can ask for it
        ]

    async def page(self, exchange: Exchange) -> Reply:
        """HTML for people; for programs that ask for JSON, who we are."""
        accept = exchange.headers.get("Accept", "")
        if "application/json" in accept and "text/html" not in accept:
            return json_reply({"message": "Longshore", "version": self._version}, headers={"Vary": "Accept"})
        language = preferred(exchange.headers.get("Accept-Language", ""))
        asset = self._assets.page(_INDEX, language)
        reply = self._given(exchange, asset, _ASKED_AGAIN)
        reply.headers["Content-Language"] = language
        reply.headers["Vary"] = "Accept, Accept-Language, Accept-Encoding"
        return reply

    async def static(self, exchange: Exchange, name: str) -> Reply:
        release, path = self._assets.split(unquote(name))
        asset = self._assets.find(path)
        if asset is None:
            raise Refusal(404, "not_found")
        # Of another release, before or after an update, what there is is given; it is not to be kept by that name.
        reply = self._given(exchange, asset, _FOR_GOOD if release == self._assets.release else _ASKED_AGAIN)
        # Other sites' pages may show the uploader, if CORS_ORIGINS names them.
        reply.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return reply

    def _given(self, exchange: Exchange, asset: Asset, kept: str) -> Reply:
        packed = asset.packed if accepts_gzip(exchange.headers.get("Accept-Encoding", "")) else None
        tag = f'{asset.tag[:-1]}-gzip"' if packed else asset.tag
        headers = {**self._security, "ETag": tag, "Cache-Control": kept, "Vary": "Accept-Encoding"}
        if tag in (one.strip().removeprefix("W/") for one in exchange.headers.get("If-None-Match", "").split(",")):
            return Reply(304, headers)
        headers["Content-Type"] = asset.media_type
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Reply(200, headers, packed or asset.content)


def _security(downloads_from: str | None) -> dict[str, str]:
    """Everything the page needs comes from here; it runs no inline script and can't be framed. Previews are its own
    blobs, or what an element of the page shows of a stored file.
    """
    files = f"'self' {downloads_from}" if downloads_from else "'self'"
    return {
        "Content-Security-Policy": (
            f"default-src 'self'; connect-src 'self' ws: wss:; img-src {files} data: blob:; media-src {files} blob:; "
            "frame-src blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def accepts_gzip(header: str) -> bool:
    """RFC 9110 §12.5.3, as far as it concerns the one coding that there is."""
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip", "*"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False
