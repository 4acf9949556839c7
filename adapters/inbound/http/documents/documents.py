"""``/openapi.json`` and ``/asyncapi.json``, and ``/docs``, where they can be read and tried: nothing of it comes from
elsewhere, and no dialect's part is loaded before somebody asks."""

import gzip
import hashlib
import importlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from adapters.inbound.common.documents.channels import asyncapi_of
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.documents.openapi import openapi_of
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.page.pages import accepts_gzip

_VIEWER = Path(__file__).parent / "viewer"
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
# The viewer styles its elements one by one; scripts are files of ours alone, and it asks nobody but us.
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Documents:
    """For anybody, as often as they like.

    ``modules``: the ``document.py`` of each dialect, by its name. ``base``: our address from outside; empty: nobody
    said.
    """

    def __init__(self, modules: Sequence[str], *, version: str, base: str = "") -> None:
        self._modules = modules
        self._version = version
        self._base = base

    def resources(self) -> Sequence[Resource]:
        routes: Sequence[tuple[str, Callable[..., Any]]] = [
            (r"/openapi\.json/?", self.openapi),
            (r"/asyncapi\.json/?", self.asyncapi),
            (r"/docs/?", self.page),
            (r"/docs/(?P<name>[\w.-]+)/?", self.file),
        ]
        return [
            Resource(re.compile(pattern), {"GET": route, "HEAD": route}, is_public=True) for pattern, route in routes
        ]

    async def openapi(self, exchange: Exchange) -> Reply:
        return _compact(exchange, self.openapi_text(), "application/json")

    async def asyncapi(self, exchange: Exchange) -> Reply:
        return _compact(exchange, self.asyncapi_text(exchange.request.host), "application/json")

    async def page(self, exchange: Exchange) -> Reply:
        up = "../" if exchange.request.path.endswith("/") else ""
        return _compact(exchange, _read("index.html").replace(b"{up}", up.encode()), _TYPES[".html"])

    async def file(self, exchange: Exchange, name: str) -> Reply:
        if name not in _names() or name == "index.html":
            raise Refusal(404, "not_found")
        return _compact(exchange, _read(name), _TYPES[Path(name).suffix])

    def openapi_text(self) -> bytes:
        parts = [(module.PATHS, getattr(module, "SCHEMAS", {})) for module in self._loaded()]
        webhooks = {name: told for module in self._loaded() for name, told in getattr(module, "WEBHOOKS", {}).items()}
        return _dumped(openapi_of(parts, webhooks, version=self._version, base=self._base or "./"))

    def asyncapi_text(self, host: str) -> bytes:
        channels = {
            name: channel for module in self._loaded() for name, channel in getattr(module, "CHANNELS", {}).items()
        }
        return _dumped(asyncapi_of(channels, version=self._version, host=host))

    def _loaded(self) -> Sequence[Any]:
        return [importlib.import_module(name) for name in self._modules]


def _dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _compact(exchange: Exchange, content: bytes, media_type: str) -> Reply:
    """Compressed for who can read that, and not at all for who has it already."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_SECURITY, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in (one.strip().removeprefix("W/") for one in exchange.headers.get("If-None-Match", "").split(",")):
        return Reply(304, headers)
    if accepts_gzip(exchange.headers.get("Accept-Encoding", "")):
        headers["Content-Encoding"] = "gzip"
        headers["ETag"] = f"W/{tag}"
        content = _compressed(content)
    return Reply(200, {**headers, "Content-Type": media_type}, content)


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _VIEWER.iterdir() if path.suffix in _TYPES)


@cache
def _read(name: str) -> bytes:
    return (_VIEWER / name).read_bytes()


@lru_cache(maxsize=8)  # one host names us mostly
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)
