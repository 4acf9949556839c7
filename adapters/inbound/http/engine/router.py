"""Which path is whose: resources, that a dialect answers for. What has none is left to Tornado's handlers."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.routing import Router
from tornado.web import Application

from adapters.inbound.common.connections import ConnectionBudget
from adapters.inbound.common.uris import normal_path
from adapters.inbound.http.engine.detached import DetachedExchange, is_worth_detaching
from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.engine.keep_alive import KeptConnection, KeptConnections
from adapters.inbound.http.engine.running import Connections, RunningExchange, Services
from adapters.inbound.http.engine.streaming import RefusedExchange, StreamingExchange

AnyExchange = TypeVar("AnyExchange", bound=RunningExchange)

_HANDLERS = Resource(re.compile(""), {})
"""In place of Tornado's handlers, for what is answered before any of them would be asked."""


class ServerLimits(TypedDict):
    """Tornado's words for what one connection may ask for."""

    max_header_size: int
    max_body_size: int
    """Of requests that are read whole; bodies of exchanges stream, without a limit here."""
    idle_connection_timeout: float
    chunk_size: int


class BudgetedServer(HTTPServer):
    budget = ConnectionBudget()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self.budget.admit(stream, address):
            super().handle_stream(stream, address)
        else:
            stream.close()


def web_server(
    resources: Sequence[Resource],
    services: Services,
    application: Application,
    *,
    budget: ConnectionBudget | None = None,
    **limits: Unpack[ServerLimits],
) -> tuple[HTTPServer, Connections]:
    """A server of exchanges first, then of the application's handlers; it does not listen yet."""

    def serve_again(stream: IOStream, address: object) -> None:
        server.handle_stream(stream, address)  # type: ignore[arg-type]  # as it came from Tornado

    router = ExchangeRouter(resources, services, application, serve_again)
    server = BudgetedServer(router, **limits)
    server.budget = router.budget = budget or server.budget
    return server, router.connections


class ExchangeRouter(Router):
    """A trailing slash is accepted everywhere."""

    budget = ConnectionBudget()

    def __init__(
        self,
        resources: Sequence[Resource],
        services: Services,
        application: Application,
        serve_again: Callable[[IOStream, object], None],
    ) -> None:
        self._resources = resources
        self._services = services
        self._application = application
        self.connections = Connections(KeptConnections(self.follow, serve_again), serve_again)

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> HTTPMessageDelegate | None:
        if isinstance(request.connection, HTTP1Connection) and request.connection.stream in self.connections.ended:
            # RFC 9112 §9.6: no further requests are processed, whether smuggled in or sent too early.
            return HTTPMessageDelegate()
        resource, groups = self._resource_of(request)
        if isinstance(request.connection, HTTP1Connection) and self.budget.is_over(request.connection.stream):
            return self._exchange(RefusedExchange, request, resource or _HANDLERS, groups)
        if resource is None:
            services = self._services
            if services.site.refusal(request) is None and services.cors.preflight(request) is None:
                return self._application.find_handler(request)
            resource = _HANDLERS
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
        request.path = normal_path(request.path)  # so Tornado's handlers see it, too
        for resource in self._resources:
            if found := resource.pattern.fullmatch(request.path):
                return resource, found.groups()
        return None, ()

    def _exchange(
        self, kind: type[AnyExchange], request: HTTPServerRequest, resource: Resource, groups: tuple[str, ...]
    ) -> AnyExchange:
        return kind(request, resource, groups, self._services, self.connections)
