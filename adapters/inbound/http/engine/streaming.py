"""Exchanges through Tornado's own connection, which feeds the body block by block."""

import asyncio
from collections.abc import Awaitable
from typing import cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine

from adapters.inbound.common.errors import title_of
from adapters.inbound.http.engine.body import RequestBody
from adapters.inbound.http.engine.exchange import Reply, Resource
from adapters.inbound.http.engine.framing import LINGER_BYTES, LINGER_SECONDS, announced_length
from adapters.inbound.http.engine.running import Connections, RunningExchange, Services
from domain.errors import TooManyConnections

_UNLIMITED = 1 << 62


class StreamingExchange(RunningExchange):
    def __init__(
        self,
        request: HTTPServerRequest,
        resource: Resource,
        groups: tuple[str, ...],
        services: Services,
        connections: Connections,
    ) -> None:
        super().__init__(request, resource, groups, services, connections)
        self._connection = cast(HTTP1Connection, request.connection)
        self.body: RequestBody = RequestBody(announced_length(request.headers), services.executor)
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._is_body_read = False
        self._is_replied = False
        self._is_finished = False
        self._discarded = 0
        self._lingering: asyncio.TimerHandle | None = None

    # What Tornado calls

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._connection.set_max_body_size(_UNLIMITED)
        if "Expect" in headers:  # RFC 9110 §10.1.1: its value is case-insensitive, to Tornado it is not
            headers["Expect"] = headers["Expect"].lower()
        self._task = asyncio.create_task(self.run())
        return self.body.wanted  # Tornado goes on once it is done: a reply that needs no body comes before

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if not self._is_replied:
            return self.body.feed(chunk)
        self._discarded += len(chunk)
        if self._discarded > LINGER_BYTES:
            self._finish()
        return None

    def finish(self) -> None:
        self._is_body_read = True
        self.body.feed_eof()
        if self._is_replied:
            self._finish()

    def on_connection_close(self) -> None:
        self._is_closed = True
        self.body.stop()

    # What the exchange asks for

    async def send(self, reply: Reply) -> None:
        if self._is_closed:
            return
        line = ResponseStartLine("HTTP/1.1", reply.status, title_of(reply.status))
        has_body = self.request.method != "HEAD"
        sent = self._connection.write_headers(
            line, HTTPHeaders(reply.headers), reply.body if has_body and reply.body else None
        )
        if has_body and reply.content is not None:
            await sent
            async for block in reply.content:
                await self._connection.write(block)
        self._is_replied = True
        if self._is_body_read or self._awaits_continue() or reply.ends_connection:
            self._finish()
        else:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._finish)

    def tell(self, data: bytes) -> None:
        stream = self._connection.stream
        if not (self._is_closed or stream.closed() or stream.writing()):
            _ = stream.write(data)

    def abandon(self) -> None:
        if not self._is_closed:
            self._is_finished = True
            self.connections.ended.add(self._connection.stream)
            self._connection.close()

    def _awaits_continue(self) -> bool:
        """Whether the client still waits for our word before it sends the body: it won't get a 100 any more."""
        return "Expect" in self.request.headers and not self.body.wanted.done()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            if self._lingering:
                self._lingering.cancel()
            if not self._is_closed:
                if not (self._is_body_read and self._keeps_alive()):
                    self.connections.ended.add(self._connection.stream)
                self._connection.finish()

    def _keeps_alive(self) -> bool:
        wanted = self.request.headers.get("Connection", "").lower()
        return wanted != "close" if self.request.version == "HTTP/1.1" else wanted == "keep-alive"


class RefusedExchange(StreamingExchange):
    """On a connection that its client has too many of: whatever is asked, this is the answer, and its end."""

    async def _call_route(self) -> Reply:
        raise TooManyConnections("you hold too many connections open; close some")
