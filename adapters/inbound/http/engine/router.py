"""Which path is whose: resources, that a dialect answers for. What has none is left to Tornado's handlers."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.detached import DetachedExchange, is_worth_detaching
from adapters.inbound.http.engine.exchange import Exchange, Reply
from adapters.inbound.http.engine.keep_alive import KeptConnection, KeptConnections
from adapters.inbound.http.engine.running import RunningExchange, Services
from adapters.inbound.http.engine.streaming import StreamingExchange

Handler = Callable[..., Awaitable[Reply]]
AnyExchange = TypeVar("AnyExchange", bound=RunningExchange)


@dataclass(frozen=True, slots=True)
class Resource:
    """A path, its groups handed to the handler of the method that came."""

    pattern: re.Pattern[str]
    methods: Mapping[str, Handler]
    is_public: bool = False
    """For anyone, at any time, as often as they like."""
    admits_strangers: bool = False
    """Whether the handler itself judges those of whom nothing is known."""
    constant_headers: Callable[[HTTPHeaders], Mapping[str, str]] = lambda _: {}
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

    def __init__(self, resources: Sequence[Resource], services: Services, application: Application) -> None:
        self._resources = resources
        self._services = services
        self._application = application
        services.kept = KeptConnections(self.follow, services.take_back)

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> HTTPMessageDelegate | None:
        if isinstance(request.connection, HTTP1Connection) and request.connection.stream in self._services.ended:
            # RFC 9112 §9.6: no further requests are processed, whether smuggled in or sent too early.
            return HTTPMessageDelegate()
        resource, groups = self._resource_of(request)
        if resource is None:
            return self._application.find_handler(request)
        is_detached = is_worth_detaching(request, sends_files=resource.sends_files, posts_files=resource.posts_files)
        return self._exchange(DetachedExchange if is_detached else StreamingExchange, request, resource, groups)

    def follow(self, kept: KeptConnection, request: HTTPServerRequest, head_bytes: int) -> bool:
        """Begin an exchange with the next request of a detached connection; whether the path is an exchange's."""
        resource, groups = self._resource_of(request)
        if resource is None:
            return False
        self._exchange(DetachedExchange, request, resource, groups).follow(kept, head_bytes)
        return True

    def _resource_of(self, request: HTTPServerRequest) -> tuple[Resource | None, tuple[str, ...]]:
        for resource in self._resources:
            if found := resource.pattern.fullmatch(request.path):
                return resource, found.groups()
        return None, ()

    def _exchange(
        self, kind: type[AnyExchange], request: HTTPServerRequest, resource: Resource, groups: tuple[str, ...]
    ) -> AnyExchange:
        return kind(
            request,
            partial(resource.dispatch, groups=groups),
            self._services,
            is_public=resource.is_public,
            admits_strangers=resource.admits_strangers,
            carries_bytes=resource.carries_bytes,
            constant_headers=resource.constant_headers(request.headers),
            refusal=resource.refusal,
        )
