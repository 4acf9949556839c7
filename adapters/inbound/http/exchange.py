"""One request and its reply, for routes whose bodies stream: an HTTPMessageDelegate around an async function.

Tornado's RequestHandler wants the whole body first, or hands it over in callbacks; here a route is
``async (exchange) -> Reply``, and the body is a byte source that it may pass on to a use case. Nothing is read
(and no ``100 Continue`` sent) before the route asks for a byte, so a refusal comes before the body does.
"""

import asyncio
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamClosedError

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.errors import Refusal, headers_of, problem
from adapters.inbound.common.rate_limit import RateLimiter
from adapters.inbound.http.body import BodyWatchdog, RequestBody
from adapters.inbound.http.cors import Cors
from domain.access import Principal
from domain.errors import Unavailable

log = structlog.get_logger(__name__)

_UNLIMITED = 1 << 62
# A refusal goes out at once, but closing on bytes still under way would reset the connection and could take the
# answer with it: so much longer, and so many bytes, are read and thrown away.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 1024 * 1024
_PROCESS = os.urandom(4).hex()
_NUMBERS = itertools.count(1)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_REASONS = {460: "Checksum Mismatch"}  # tus 1.0 §Checksum


@dataclass(slots=True)
class Reply:
    """What goes back: ``body``, or ``size`` bytes that ``content`` yields (None: the headers alone).

    ``closing`` is awaited when the reply is over, sent or not.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int | None = None
    content: AsyncIterator[bytes] | None = None
    closing: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class Exchange:
    """What a route sees of its request."""

    request: HTTPServerRequest
    body: RequestBody
    principal: Principal
    request_id: str
    method: str
    """The effective method: X-HTTP-Method-Override is applied (tus 1.0)."""

    @property
    def headers(self) -> HTTPHeaders:
        return self.request.headers


Route = Callable[[Exchange], Awaitable[Reply]]


@dataclass(slots=True)
class Services:
    """What every exchange needs, once a server."""

    authenticator: Authenticator
    rate_limiter: RateLimiter
    cors: Cors
    executor: Executor
    watchdog: BodyWatchdog = field(default_factory=BodyWatchdog)
    running: "set[StreamingExchange]" = field(default_factory=set)
    is_draining: bool = False

    def next_request_id(self) -> str:
        """Unique for long enough to find a request in the logs; no secret."""
        return f"{_PROCESS}-{next(_NUMBERS):x}"

    def drain(self) -> None:
        """From now on only requests that run already are served."""
        self.is_draining = True


class StreamingExchange(HTTPMessageDelegate):
    """Runs ``route`` while the connection feeds its body."""

    def __init__(
        self, request: HTTPServerRequest, route: Route, services: Services, *, is_counted: bool = True
    ) -> None:
        self._request = request
        self._route = route
        self._services = services
        self._is_counted = is_counted
        self._connection = cast(HTTP1Connection, request.connection)
        given = request.headers.get("X-Request-Id", "")
        self._request_id = given if given and _REQUEST_ID.fullmatch(given) else services.next_request_id()
        self._body = RequestBody(_announced_length(request.headers), services.executor)
        self._is_closed = False
        self._is_body_read = False
        self._is_replied = False
        self._is_finished = False
        self._discarded = 0
        self._task: asyncio.Task[None] | None = None

    # What Tornado calls

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._connection.set_max_body_size(_UNLIMITED)
        self._services.running.add(self)
        self._task = asyncio.create_task(self._run())
        return self._body.wanted  # Tornado goes on once it is done: a reply that needs no body comes before

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if not self._is_replied:
            return self._body.feed(chunk)
        self._discarded += len(chunk)
        if self._discarded > _LINGER_BYTES:
            self._finish()
        return None

    def finish(self) -> None:
        self._is_body_read = True
        self._body.feed_eof()
        if self._is_replied:
            self._finish()

    def cut(self) -> None:
        """Take what has arrived of the body and no more."""
        self._body.stop()

    def on_connection_close(self) -> None:
        self._is_closed = True
        self._body.stop()

    # The request's life

    async def _run(self) -> None:
        reply = None
        try:
            reply = await self._answer()
            await self._send(reply)
        except StreamClosedError:
            self._is_closed = True
        except Exception:
            log.exception("reply failed", request_id=self._request_id)
            self._abandon()
        finally:
            self._services.running.discard(self)
            self._services.watchdog.forget(self._body)
            self._body.want()
            if reply and reply.closing:
                await reply.closing()

    async def _answer(self) -> Reply:
        cors = self._services.cors
        preflight = cors.preflight(self._request)
        try:
            reply = Reply(204, preflight) if preflight is not None else await self._call_route()
        except Exception as error:
            reply = self._refuse(error)
        reply.headers.update(cors.headers(self._request))
        reply.headers["X-Request-Id"] = self._request_id
        return reply

    async def _call_route(self) -> Reply:
        request, services = self._request, self._services
        _check_framing(request.headers)
        if services.is_draining and self._is_counted:
            raise Unavailable("the server is going down")
        override = request.headers.get("X-HTTP-Method-Override", "")
        exchange = Exchange(
            request=request,
            body=self._body,
            principal=services.authenticator.principal(request),
            request_id=self._request_id,
            method=override.strip().upper() or request.method or "",
        )
        # Requests that carry bytes of an accepted upload are bounded by quotas instead.
        if self._is_counted and not (exchange.method == "PATCH" and self._body.length != 0):
            services.rate_limiter.check(services.authenticator.client_ip(request))
        if self._body.length != 0:
            services.watchdog.watch(self._body)
        return await self._route(exchange)

    def _refuse(self, error: Exception) -> Reply:
        about = problem(error, self._request_id)
        status = int(about["status"])
        tell = log.exception if status == 500 else log.warning if status > 500 else log.info
        tell(
            "refused",
            request_id=self._request_id,
            method=self._request.method,
            path=self._request.path,
            status=status,
            code=about["code"],
            detail=str(error),
        )
        headers = {**headers_of(error), "Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        return Reply(status, headers, json.dumps(about).encode())

    async def _send(self, reply: Reply) -> None:
        if self._is_closed:
            return
        headers = HTTPHeaders(reply.headers)
        if reply.status not in (204, 304):
            headers["Content-Length"] = str(len(reply.body) if reply.size is None else reply.size)
        line = ResponseStartLine("HTTP/1.1", reply.status, _reason(reply.status))
        has_body = self._request.method != "HEAD"
        sent = self._connection.write_headers(line, headers, reply.body if has_body and reply.body else None)
        if has_body and reply.content is not None:
            await sent
            async for block in reply.content:
                await self._connection.write(block)
        self._is_replied = True
        if self._is_body_read or self._awaits_continue():
            self._finish()
        else:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._finish)

    def _awaits_continue(self) -> bool:
        """Whether the client still waits for our word before it sends the body: it won't get a 100 any more."""
        return "Expect" in self._request.headers and not self._body.wanted.done()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            if not self._is_closed:
                self._connection.finish()

    def _abandon(self) -> None:
        """The reply can't be completed: only closing tells the client so."""
        self._is_finished = True
        self._connection.close()


def _announced_length(headers: Mapping[str, str]) -> int | None:
    """Content-Length, 0 without a body; None for a chunked one."""
    if "Transfer-Encoding" in headers:
        return None
    length = headers.get("Content-Length", "0")
    return int(length) if _LENGTH.fullmatch(length) else 0


def _check_framing(headers: Mapping[str, str]) -> None:
    """Stricter than Tornado, and before any use case runs: two readings of one body are how requests are smuggled."""
    coding = headers.get("Transfer-Encoding")
    if coding is not None and ("Content-Length" in headers or coding.strip().lower() != "chunked"):
        raise Refusal(400, "invalid_request", "the only transfer coding understood is chunked")
    if not _LENGTH.fullmatch(headers.get("Content-Length", "0")):
        raise Refusal(400, "invalid_request", "Content-Length is not a number")
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "unsupported_media_type", "bodies are taken as they are, without Content-Encoding")


def _reason(status: int) -> str:
    return _REASONS.get(status) or HTTPStatus(status).phrase
