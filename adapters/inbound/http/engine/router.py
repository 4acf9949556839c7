"""Which path is whose: resources, that a dialect answers for, or handlers of Tornado's."""

import re
import socket
from collections.abc import Sequence
from contextvars import Context
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from adapters.inbound.common.connections import ConnectionBudget
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.request_id import bind_trace, request_id_of, trace_of
from adapters.inbound.common.uris import normal_path
from adapters.inbound.common.visits import Visit, route_of
from adapters.inbound.http.engine.connected import ConnectedExchange
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.framing import announced_length, check_wishes
from adapters.inbound.http.engine.handlers import Handler
from adapters.inbound.http.engine.keep_alive import KeptConnections, Patience, Serving
from adapters.inbound.http.engine.refused import NoRoom
from adapters.inbound.http.engine.running import Connections, Services
from adapters.inbound.http.engine.wire.connection import Connection
from adapters.inbound.http.engine.wire.handing_over import HandedStream
from adapters.inbound.http.engine.wire.head import MAX_HEAD_BYTES
from domain.errors import TooManyConnections
from domain.trace import Trace


def web_server(
    resources: Sequence[Resource],
    services: Services,
    handlers: Sequence[Handler],
    *,
    nowhere: Resource,
    budget: ConnectionBudget | None = None,
    patience: Patience | None = None,
) -> tuple[HTTPServer, "Router"]:
    """A server of resources and handlers; it does not listen yet. ``nowhere``: what a reply looks like to requests that
    are nobody's, whatever its pattern."""
    application = Application(list(handlers), log_function=lambda _: None)
    server = _Server(application, max_header_size=2 * MAX_HEAD_BYTES)  # what it is handed has been read by us
    router = Router(
        resources,
        services,
        server=server,
        nowhere=nowhere,
        budget=budget or ConnectionBudget(),
        patience=patience or Patience(),
    )
    router.handled = [re.compile(handler[0]) for handler in handlers]
    return server, router


class _Server(HTTPServer):
    """Tornado is handed the connections whose one request is a handler's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- Tornado's signature
        super().__init__(*args, **kwargs)
        self._served: WeakSet[Any] = WeakSet()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        if server_conn not in self._served:
            self._served.add(server_conn)
            return super().start_request(server_conn, request_conn)
        request_conn.close()  # type: ignore[attr-defined]  # what it has read further has not gone through our hands
        return HTTPMessageDelegate()


class Router(Serving):
    """A trailing slash is accepted everywhere."""

    def __init__(
        self,
        resources: Sequence[Resource],
        services: Services,
        *,
        server: _Server,
        nowhere: Resource,
        budget: ConnectionBudget,
        patience: Patience,
    ) -> None:
        self._resources = resources
        self._services = services
        self._server = server
        self._nowhere = nowhere
        self._budget = budget
        self._patience = patience
        self._haste = replace(patience, linger_seconds=0.0)
        self.handled: Sequence[re.Pattern[str]] = ()
        """The paths of the server's handlers."""
        self.connections = Connections(KeptConnections(self, self._patience))

    def accept(self, source: socket.socket, address: object) -> None:
        if self._budget.admit(source, address):
            self.connections.kept.accept(Connection.of(source, address))
        else:
            source.close()

    def begin(self, connection: Connection, request: HTTPServerRequest) -> None:
        resource, groups = self._resource_of(request)
        fault: Exception | None = None
        if resource is None and any(pattern.fullmatch(request.path) for pattern in self.handled):
            resource = _HANDLED
        elif resource is None:
            resource, fault = self._nowhere, Refusal(404, "not_found")
        if connection.socket in self.connections.late and (resource is _HANDLED or not resource.is_public):
            fault = NoRoom()
        elif self._budget.is_over(connection.socket):
            fault = TooManyConnections("you hold too many connections open; close some")
        elif resource is _HANDLED and self._is_for_handlers(request):
            self._hand_over(connection, request)
            return
        self._exchange(connection, request, resource, groups, fault)

    def refuse(self, connection: Connection, request: HTTPServerRequest, error: Exception) -> None:
        self._exchange(connection, request, self._nowhere, (), error)

    def _is_for_handlers(self, request: HTTPServerRequest) -> bool:
        if request.method not in _HANDLED.methods or announced_length(request.headers) != 0:
            return False
        try:
            check_wishes(request.headers, request.version)
        except Refusal:
            return False
        return self._services.site.refusal(request) is None

    def _resource_of(self, request: HTTPServerRequest) -> tuple[Resource | None, tuple[str, ...]]:
        request.path = normal_path(request.path)  # so Tornado's handlers see it, too
        for resource in self._resources:
            if found := resource.pattern.fullmatch(request.path):
                return resource, found.groups()
        return None, ()

    def _exchange(
        self,
        connection: Connection,
        request: HTTPServerRequest,
        resource: Resource,
        groups: tuple[str, ...],
        fault: Exception | None,
    ) -> None:
        ConnectedExchange(
            request,
            resource,
            groups,
            self._services,
            self.connections,
            connection=connection,
            patience=self._patience if connection.socket not in self.connections.late else self._haste,
            fault=fault,
        )

    def _hand_over(self, connection: Connection, request: HTTPServerRequest) -> None:
        connection.readiness.close()
        request.headers["X-Request-Id"] = request_id_of(request.headers)  # the handler's and the visit's are one
        trace = self._services.begun(trace_of(request.headers))
        stream = HandedStream(connection, request, self._visit(request, trace), self._services.observers)
        context = Context()
        if trace is not None:
            context.run(bind_trace, trace, request.headers["X-Request-Id"])
        context.run(self._server.handle_stream, stream, connection.context.address)  # type: ignore[arg-type]  # as it was accepted

    def _visit(self, request: HTTPServerRequest, trace: Trace | None) -> Visit | None:
        services = self._services
        if not services.observers:
            return None
        return Visit(
            request.method or "",
            request.path,
            next(route_of(pattern.pattern) for pattern in self.handled if pattern.fullmatch(request.path)),
            services.authenticator.client_ip(request),
            request.headers["X-Request-Id"],
            trace,
        )


async def _refuse_body(_: Exchange) -> Reply:
    raise Refusal(400, "invalid_request", "no body is wanted here")


_HANDLED = Resource(re.compile(""), {"GET": _refuse_body, "HEAD": _refuse_body}, is_public=True)
"""What is not left to a handler of Tornado's: it reads every body to its end before it looks at the request, and its
refusals know nothing of other origins' pages."""
