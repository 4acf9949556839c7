"""Exchanges and their connection: the body comes from the socket, the reply goes there, and who waits next for it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import Context

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError

from adapters.inbound.http.engine.accepting import are_plenty
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.chunked_body import ChunkedBody
from adapters.inbound.http.engine.exchange import FileSlice, Reply, Resource
from adapters.inbound.http.engine.framing import announced_length, awaits_continue, head_of, keeps_alive
from adapters.inbound.http.engine.keep_alive import Patience
from adapters.inbound.http.engine.running import Connections, RunningExchange, Services
from adapters.inbound.http.engine.sending import send_slice
from adapters.inbound.http.engine.socket_body import SocketBody
from adapters.inbound.http.engine.wire.connection import Connection


class ConnectedExchange(RunningExchange):
    """Begins at once."""

    def __init__(
        self,
        request: HTTPServerRequest,
        resource: Resource,
        groups: tuple[str, ...],
        services: Services,
        connections: Connections,
        *,
        connection: Connection,
        patience: Patience,
        fault: Exception | None = None,
    ) -> None:
        super().__init__(request, resource, groups, services, connections, fault=fault)
        self.body = _body_of(request, connection, services)
        self._connection = connection
        self._patience = patience
        self._socket = connection.socket
        self._sending_to: socket.socket | None = None
        # In a context of its own: what is bound for one request is not for the next one of its connection.
        self._task = asyncio.create_task(self.run(), context=Context())

    async def send(self, reply: Reply) -> None:
        request = self.request
        is_last = (
            reply.ends_connection
            or self.services.drain.lets_go
            or self.body.awaits_continue
            or not keeps_alive(request.headers, request.version)
        )
        if is_last:
            reply.headers["Connection"] = "close"
        elif request.version == "HTTP/1.0":
            reply.headers["Connection"] = "keep-alive"
        has_content = request.method != "HEAD"
        body = reply.body if has_content else b""
        await self._write(self.body.untold + head_of(reply.status, reply.headers) + body)
        self.sent = len(body)
        if has_content and reply.content is not None:
            await self._send_content(reply.content, reply.slice)
        self.ended = time.perf_counter()
        await self._go_on(is_last=is_last, is_unreadable=reply.ends_connection)

    async def _send_content(self, content: AsyncIterator[bytes], of_file: FileSlice | None) -> None:
        if of_file is not None and (own := self._socket_of_its_own()) is not None:
            with own as self._sending_to:
                self._sending_to.setblocking(False)
                await send_slice(of_file, self._sending_to, self.services.executor, self._count_sent)
        else:
            async for block in content:
                await self._write(block)
                self.sent += len(block)

    def _count_sent(self, size: int) -> None:
        self.sent += size

    def _socket_of_its_own(self) -> socket.socket | None:
        """Should ours be closed meanwhile, the thread does not write into another one. None: descriptors run short."""
        try:
            own = self._socket.dup()
        except OSError:
            return None
        if are_plenty(own.fileno()):
            return own
        own.close()
        return None

    def cut(self) -> None:
        super().cut()
        if self._sending_to is not None:
            with suppress(OSError):  # it is over already
                self._sending_to.shutdown(socket.SHUT_RDWR)

    def tell(self, data: bytes) -> None:
        self.body.tell(data)

    def abandon(self) -> None:
        self.body.close()

    async def _write(self, data: bytes) -> None:
        """Raises:
        StreamClosedError: the client is gone.
        """
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise StreamClosedError(error) from error
        if sent < len(data):
            try:
                await asyncio.get_running_loop().sock_sendall(self._socket, memoryview(data)[sent:])
            except OSError as error:
                raise StreamClosedError(error) from error

    async def _go_on(self, *, is_last: bool, is_unreadable: bool) -> None:
        """Read what is still under way of the body, for a while; then the next request may come, or the end."""
        body, patience = self.body, self._patience
        if not body.has_ended or is_unreadable:
            if is_last:
                # RFC 9112 §9.6: the client learns at once that this was all, and can read it before we close.
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.linger_seconds):
                    await (body.drain if is_last else body.discard)(patience.linger_bytes)
        if is_last or not body.has_ended:
            body.close()
        else:
            self.connections.kept.wait(self._connection)


def _body_of(request: HTTPServerRequest, connection: Connection, services: Services) -> Body:
    length = announced_length(request.headers)
    awaited = awaits_continue(request.headers, request.version)
    if length is None:
        return ChunkedBody(connection, awaits_continue=awaited, executor=services.executor)
    return SocketBody(connection, length=length, awaits_continue=awaited and length > 0, executor=services.executor)
