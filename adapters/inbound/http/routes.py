"""Which path is whose. Routes whose bodies stream are exchanges; the rest are Tornado handlers, after them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.chunk_envelope import chunk_refusal
from adapters.inbound.http.chunks import Chunks
from adapters.inbound.http.detached import DetachedExchange, is_worth_detaching
from adapters.inbound.http.exchange import Exchange, Reply, RunningExchange, Services
from adapters.inbound.http.files import Files
from adapters.inbound.http.form import Form
from adapters.inbound.http.health import Health
from adapters.inbound.http.lanes import Lane, Lanes
from adapters.inbound.http.streaming import StreamingExchange
from adapters.inbound.http.uploads import Uploads

Handler = Callable[..., Awaitable[Reply]]
AnyExchange = TypeVar("AnyExchange", bound=RunningExchange)


@dataclass(frozen=True, slots=True)
class Path:
    """A path, its groups handed to the handler of the method that came."""

    pattern: re.Pattern[str]
    methods: Mapping[str, Handler]
    is_public: bool = False
    """For anyone, at any time, as often as they like."""
    admits_strangers: bool = False
    """Whether the handler itself judges those of whom nothing is known."""
    standing_headers: Callable[[HTTPHeaders], Mapping[str, str]] = lambda _: {}
    """What goes with every reply to a request with these headers, refusals too."""
    carries_bytes: bool = False
    """Whether what is posted are bytes of an accepted upload, which the rate limit does not count."""
    refusal: Callable[[Exception], Reply] | None = None
    """How errors are worded; None: as problem details."""
    sends_files: bool = False
    """Whether a GET is answered with a file."""
    posts_files: bool = False
    """Whether the body of a POST is a file's bytes."""

    def dispatch(self, exchange: Exchange, groups: tuple[str, ...]) -> Awaitable[Reply]:
        handler = self.methods.get(exchange.method)
        if handler is None:
            allowed = ", ".join(sorted(self.methods))
            raise Refusal(405, "method_not_allowed", f"allowed here: {allowed}", {"Allow": allowed})
        return handler(exchange, *groups)


class ExchangeRouter(Router):
    """Exchanges first, then the application of Tornado handlers. A trailing slash is accepted everywhere."""

    def __init__(self, paths: list[Path], services: Services, application: Application) -> None:
        self._paths = paths
        self._services = services
        self._application = application
        services.lanes = Lanes(self.follow, services.take_back)

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> HTTPMessageDelegate | None:
        if isinstance(request.connection, HTTP1Connection) and request.connection.stream in self._services.ended:
            # RFC 9112 §9.6: no further requests are processed, whether smuggled in or sent too early.
            return HTTPMessageDelegate()
        path, groups = self._path_of(request)
        if path is None:
            return self._application.find_handler(request)
        is_detached = is_worth_detaching(request, sends_files=path.sends_files, posts_files=path.posts_files)
        return self._exchange(DetachedExchange if is_detached else StreamingExchange, request, path, groups)

    def follow(self, lane: Lane, request: HTTPServerRequest, head_bytes: int) -> bool:
        """Begin an exchange with the next request of a detached connection; whether the path is an exchange's."""
        path, groups = self._path_of(request)
        if path is None:
            return False
        self._exchange(DetachedExchange, request, path, groups).follow(lane, head_bytes)
        return True

    def _path_of(self, request: HTTPServerRequest) -> tuple[Path | None, tuple[str, ...]]:
        for path in self._paths:
            if found := path.pattern.fullmatch(request.path):
                return path, found.groups()
        return None, ()

    def _exchange(
        self, kind: type[AnyExchange], request: HTTPServerRequest, path: Path, groups: tuple[str, ...]
    ) -> AnyExchange:
        return kind(
            request,
            partial(path.dispatch, groups=groups),
            self._services,
            is_public=path.is_public,
            admits_strangers=path.admits_strangers,
            carries_bytes=path.carries_bytes,
            standing_headers=path.standing_headers(request.headers),
            refusal=path.refusal,
        )


def exchange_paths(uploads: Uploads, files: Files, form: Form, health: Health) -> list[Path]:
    return [
        Path(
            re.compile(r"/uploads/([^/]+)/?"),
            {
                "PATCH": uploads.patch,
                "HEAD": uploads.head,
                "DELETE": uploads.delete,
                "GET": uploads.get,
                "OPTIONS": lambda exchange, _: uploads.options(exchange),
            },
            standing_headers=uploads.standing_headers,
            sends_files=True,
        ),
        Path(
            re.compile(r"/uploads/?"),
            {"POST": uploads.create, "OPTIONS": uploads.options, "GET": files.uploads},
            standing_headers=uploads.standing_headers,
            posts_files=True,
        ),
        Path(
            re.compile(r"/files/([^/]+)/content/?"),
            {"GET": files.content, "HEAD": files.content},
            admits_strangers=True,
            sends_files=True,
        ),
        Path(re.compile(r"/files/([^/]+)/links/?"), {"POST": files.link}),
        Path(
            re.compile(r"/files/([^/]+)/?"),
            {"GET": files.get, "HEAD": files.get, "DELETE": files.delete},
            admits_strangers=True,
        ),
        Path(re.compile(r"/health/?"), {"GET": health.get, "HEAD": health.get}, is_public=True),
        Path(re.compile(r"/upload/?"), {"POST": form.post}),
        Path(re.compile(r"/upload/([^/]+)/?"), {"PUT": form.put}),
    ]


def chunk_paths(chunks: Chunks) -> list[Path]:
    """All of the chunk API's, which words its errors in its own way."""
    upload, file = "/api/v1/file/upload", "/api/v1/file"
    return [
        Path(re.compile(f"{upload}/init/?"), {"POST": chunks.init}, refusal=chunk_refusal),
        Path(re.compile(f"{upload}/chunk/?"), {"POST": chunks.chunk}, carries_bytes=True, refusal=chunk_refusal),
        Path(re.compile(f"{upload}/complete/?"), {"POST": chunks.complete}, refusal=chunk_refusal),
        Path(re.compile(f"{upload}/retry/?"), {"POST": chunks.retry}, refusal=chunk_refusal),
        Path(
            re.compile(f"{file}/get/([^/]+)/?"),
            {"GET": chunks.get, "HEAD": chunks.get},
            admits_strangers=True,
            refusal=chunk_refusal,
        ),
        Path(
            re.compile(f"{file}/status/([^/]+)/?"),
            {"GET": chunks.status, "HEAD": chunks.status},
            admits_strangers=True,
            refusal=chunk_refusal,
        ),
    ]
