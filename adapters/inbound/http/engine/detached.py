"""Exchanges that have their connection to themselves: bytes go from the socket to the file, or back, past Tornado.

Tornado's read loop costs a callback per 64 KiB, and its keep-alive more than a small chunk's own work. A chunk of a
known length is taken off it: the connection is detached (Tornado's public way out), and when the reply is sent it is
kept for the next chunk (``keep_alive.py``), or goes back to the server. TLS, chunked and short bodies of other
methods take ``streaming.py``. Downloads are detached too: ``sending.py``.
"""

import asyncio
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from adapters.inbound.http.engine.exchange import Reply
from adapters.inbound.http.engine.framing import LINGER_BYTES, LINGER_SECONDS, announced_length, head_of
from adapters.inbound.http.engine.keep_alive import KeptConnection
from adapters.inbound.http.engine.readiness import Readiness
from adapters.inbound.http.engine.running import RunningExchange
from adapters.inbound.http.engine.sending import send_slice
from adapters.inbound.http.engine.socket_body import SocketBody

_WORTH_IT_BYTES = 1024 * 1024


def is_worth_detaching(request: HTTPServerRequest, *, sends_files: bool, posts_files: bool) -> bool:
    """``sends_files``: what the route answers a GET with; ``posts_files``: what the body of a POST is."""
    connection = request.connection
    if not isinstance(connection, HTTP1Connection) or isinstance(connection.stream, SSLIOStream):
        return False
    length = announced_length(request.headers)
    if request.method == "GET":
        return sends_files and length == 0
    is_file = request.method in ("PATCH", "PUT") or (posts_files and request.method == "POST")
    if not is_file or not length:
        return False
    return length >= _WORTH_IT_BYTES or (request.method == "PATCH" and request.version == "HTTP/1.1")


class DetachedExchange(RunningExchange):
    """Only for a request of which ``is_worth_detaching`` is true, or one that came on a kept connection."""

    body: SocketBody
    _task: asyncio.Task[None]
    _kept: KeptConnection
    _socket: socket.socket
    _sending_to: socket.socket | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        stream = cast(HTTP1Connection, self.request.connection).detach()
        context = getattr(self.request.connection, "context", None)
        self._start(KeptConnection(stream.socket, Readiness(stream.socket), context), stream)
        return None

    def follow(self, kept: KeptConnection, head_bytes: int) -> None:
        """Begin with what its socket has for us, beginning with the request's head."""
        kept.socket.recv(head_bytes)
        self._start(kept, None)
        self.body.take_what_came()

    def _start(self, kept: KeptConnection, stream: IOStream | None) -> None:
        headers = self.request.headers
        self._kept = kept
        self._socket = kept.socket
        self.body = SocketBody(
            kept.socket,
            kept.readiness,
            stream=stream,
            length=announced_length(headers) or 0,
            expects_continue=headers.get("Expect", "").lower() == "100-continue",
            executor=self.services.executor,
        )
        self._task = asyncio.create_task(self.run())

    async def send(self, reply: Reply) -> None:
        await self._write(self.body.untold + head_of(reply.status, reply.headers) + reply.body)
        if reply.slice is not None and self.request.method != "HEAD":
            # A socket of our own: should the stream notice that the client is gone, it closes only its own.
            with self._socket.dup() as self._sending_to:
                self._sending_to.setblocking(False)
                await send_slice(reply.slice, self._sending_to, self.services.executor)
        elif reply.content is not None and self.request.method != "HEAD":
            async for block in reply.content:
                await self._write(block)
        if self.body.left:
            await self._linger()
        if self.body.left or reply.ends_connection or not self._keeps_alive():
            self.body.close()
        elif self.body.stream is not None:
            self.connections.serve_again(self.body.stream, getattr(self._kept.context, "address", None))
        else:
            self.connections.kept.wait(self._kept)

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
        if self.body.stream is not None:
            await self.body.stream.write(data)
            return
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

    def _keeps_alive(self) -> bool:
        request = self.request
        return request.version == "HTTP/1.1" and request.headers.get("Connection", "").lower() != "close"

    async def _linger(self) -> None:
        """Throw away what is still under way, for a while, so that the reply arrives."""
        if not self.body.awaits_continue:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self.body.discard(LINGER_BYTES)
