"""What every WebSocket of ours has: who may open it, how much it may say, how long it may keep silent."""

import asyncio
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

from adapters.inbound.common.admission import Admission, Drain, StreamBudget
from adapters.inbound.common.auth import Authenticator, at_expiry
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.refusals import answer_with, refuse
from adapters.inbound.common.request_id import request_id_of
from adapters.inbound.common.visits import note_caller
from adapters.inbound.websocket.incoming import MessageLimits, PiecewiseProtocol
from adapters.inbound.websocket.outgoing import Flusher, Outgoing
from domain.access import Principal
from domain.errors import LongshoreError

log = structlog.get_logger(__name__)

# RFC 6455 §7.4.1, and 1013 of the IANA registry
GOING_AWAY, POLICY_VIOLATION, TRY_AGAIN_LATER = 1001, 1008, 1013
TOKEN_EXPIRED = 4401  # RFC 6455 §7.4.2: ours to give
_VERSIONS = ("7", "8", "13")  # Tornado's
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)  # RFC 6455 §4.2.1

_NO_HEADERS = HTTPHeaders()
_NO_ARGUMENTS: dict[str, list[bytes]] = {}
_PINGS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class SocketLimits:
    max_message_bytes: int = 128 * 1024
    """A thousand ids of any length fit."""
    messages_per_second: int = 100
    max_unread_bytes: int = 64 * 1024
    max_stall_seconds: float = 10.0
    """A reader that takes nothing at all for so long, while something waits for it, is closed too."""
    send_buffer_bytes: int = 64 * 1024
    """What the kernel keeps for a slow reader: old news by the time it is read, so no megabytes."""
    ping_seconds: float = 20.0
    """Also how long a ping may stay unanswered."""


class Sockets(Admission["BaseSocket"]):
    """All open sockets of this process: their budget, their pings, and their end when the server drains."""

    def __init__(self, drain: Drain, budget: StreamBudget | None = None, limits: SocketLimits | None = None) -> None:
        super().__init__(drain, budget)
        self.limits = limits or SocketLimits()
        self.message_limits = MessageLimits(self.limits.max_message_bytes, self.limits.max_message_bytes)
        self.flusher = Flusher()
        self._due: dict[BaseSocket, float] = {}  # when each is to be pinged, soonest first
        self._pinging: asyncio.Task[None] | None = None

    def forget(self, closed: "BaseSocket") -> None:
        super().forget(closed)
        self._due.pop(closed, None)

    def watch(self, opened: "BaseSocket") -> None:
        """Ping ``opened`` from now on."""
        self._due[opened] = time.monotonic() + self.limits.ping_seconds
        if self._pinging is None or self._pinging.done():
            self._pinging = asyncio.create_task(self._ping())

    async def close_all(self) -> None:
        """Close what is open with 1001; returns when all are gone, or after two seconds."""
        await self.end_all(lambda opened: opened.close(GOING_AWAY, "server is going away"))
        if self._pinging:
            self._pinging.cancel()
            with suppress(asyncio.CancelledError):
                await self._pinging

    async def _ping(self) -> None:
        """One task for all: one each would double what an idle socket weighs. Ends with the last socket."""
        while self._due:
            soonest = next(iter(self._due.values()))
            await asyncio.sleep(max(0.01, soonest - time.monotonic()))
            for _ in range(_PINGS_AT_ONCE):
                opened, due = next(iter(self._due.items()), (None, 0.0))
                if opened is None or due > time.monotonic():
                    break
                del self._due[opened]
                if seconds := opened.check_alive():
                    self._due[opened] = time.monotonic() + seconds


class BaseSocket(WebSocketHandler):
    """Subclasses bring ``on_message``, which asks ``count_message`` first; they may extend what is here."""

    # Ours beside Tornado's some twenty in its dict: with all of them in there an idle socket would weigh 1.4 KiB more.
    __slots__ = (
        *(
            "_authenticator",
            "_counter",
            "_expiry",
            "_has_answered",
            "_messages",
            "_outgoing",
            "_second",
            "_sockets",
        ),
        *("principal", "request_id"),
    )

    def initialize(self, sockets: Sockets, authenticator: Authenticator, counter: Counter) -> None:
        self._sockets = sockets
        self._authenticator = authenticator
        self._counter = counter
        self._outgoing: Outgoing | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._second = 0
        self._messages = 0
        self._has_answered = True
        self.principal: Principal

    # Before the upgrade: refusals are HTTP

    async def prepare(self) -> None:
        try:
            self.check_request()
            self.principal = await self._caller()
            note_caller(self.request, self.principal)
            self._sockets.admit(self, self._authenticator.client_ip(self.request))
        except (LongshoreError, Refusal, HTTPError) as error:
            self._refuse(error)

    async def _caller(self) -> Principal:
        caller = await self._counter.caller(self.request)
        if cast(HTTP1Connection, self.request.connection).stream.closed():
            raise HTTPError(400)  # whoever asked has left meanwhile: nobody would ever close what is opened now
        return caller

    def check_request(self) -> None:
        """Raises:
        Refusal: not a request for a WebSocket.
        """
        request, headers = self.request, self.request.headers
        wants = headers.get("Upgrade", "").lower() == "websocket" and "upgrade" in _words(headers.get("Connection", ""))
        # RFC 9110 §7.8: an Upgrade of HTTP/1.0 is passed over
        if request.method == "HEAD" or request.version == "HTTP/1.0" or not wants:
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
            raise Refusal(426, "upgrade_required", "this is a WebSocket", upgrade)
        if request.method != "GET":
            return  # 405
        if headers.get("Sec-WebSocket-Version", "") not in _VERSIONS:
            # RFC 6455 §4.4: and which one would be understood
            raise Refusal(426, "upgrade_required", "WebSockets are spoken by RFC 6455", {"Sec-WebSocket-Version": "13"})
        if not _KEY.fullmatch(headers.get("Sec-WebSocket-Key", "").strip()):
            raise Refusal(400, "invalid_request", "Sec-WebSocket-Key is 16 bytes in base64 (RFC 6455)")

    def check_origin(self, origin: str) -> bool:
        return True  # pages of other origins don't get here: ``adapters/inbound/http/engine/site.py``

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.request_id = request_id_of(self.request.headers)
        self.set_header("X-Request-Id", self.request_id)

    def log_exception(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._headers_written and error is not None and not isinstance(error, HTTPError):  # else ``_refuse`` tells
            log.error("socket failed", request_id=self.request_id, exc_info=error)

    def on_finish(self) -> None:
        if self.get_status() != 101:
            self._sockets.forget(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 -- Tornado's signature
        self._refuse(kwargs.get("exc_info", (None, HTTPError(status_code), None))[1])

    def _refuse(self, error: BaseException) -> None:
        _ = answer_with(self, refuse(error, self.request, self.request_id, what="socket refused"))

    # What Tornado asks for

    @property
    def max_message_size(self) -> int:
        return self._sockets.limits.max_message_bytes

    @property
    def ping_interval(self) -> float:
        return 0  # ``Sockets`` pings

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        protocol = super().get_websocket_protocol()
        if not isinstance(protocol, WebSocketProtocol13):
            return protocol
        return PiecewiseProtocol(self, self.message_limits, protocol.params)

    @property
    def message_limits(self) -> MessageLimits:
        return self._sockets.message_limits

    def on_bytes(self) -> None:
        """Some bytes of a message have come: its sender is not silent."""

    async def on_piece(self, data: bytes) -> None:
        """What comes next of a binary message, which is longer. Who wants some says so."""

    # The open socket

    def open(self, *args: str, **kwargs: str) -> None:
        limits = self._sockets.limits
        stream = self._stream()
        if not stream.closed():
            stream.set_nodelay(True)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes)
        self._outgoing = Outgoing(
            stream,
            self._sockets.flusher,
            max_bytes=limits.max_unread_bytes,
            max_seconds=limits.max_stall_seconds,
            on_slow=self._give_up,
        )
        self._forget_handshake()
        self._sockets.watch(self)
        self._expiry = at_expiry(self.principal, self._expire)

    def _forget_handshake(self) -> None:
        """Nobody reads these any more, and a socket is open for hours: 3 KiB each."""
        request = self.request
        request.headers = self._headers = _NO_HEADERS
        request.arguments = request.query_arguments = request.body_arguments = _NO_ARGUMENTS
        self.ui = None  # type: ignore[assignment]  # of templates, of which a socket has none

    def _expire(self) -> None:
        self.close(TOKEN_EXPIRED, "the token has expired")

    def _give_up(self) -> None:
        self.close(TRY_AGAIN_LATER, "too slow")

    def send_frames(self, *frames: tuple[str, bytes]) -> None:
        """Send frames; while the reader is slow, only the newest of one key is kept for it."""
        if self._outgoing is not None:
            self._outgoing.send(*frames)

    def send_frame_soon(self, key: str, frame: bytes) -> None:
        """The same for what others are told as well: in this socket's turn."""
        if self._outgoing is not None:
            self._outgoing.send_soon(key, frame)

    async def ready(self) -> None:
        """Return once the reader has taken all there was, or is gone."""
        if self._outgoing is not None:
            await self._outgoing.ready()

    def count_message(self) -> bool:
        """Whether what just came may be looked at; a flood ends the socket."""
        self._has_answered = True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self.ws_connection is None:  # closed: what its client still sends is nobody's
            return False
        if self._messages <= self._sockets.limits.messages_per_second:
            return True
        self.close(POLICY_VIOLATION, "too many messages")
        return False

    def on_ping(self, data: bytes) -> None:
        self.count_message()

    def on_pong(self, data: bytes) -> None:
        self.count_message()

    def check_alive(self) -> float | None:
        """Ping, and say in how many seconds to come back; None once the socket is given up."""
        if not self._has_answered:
            self.close(TRY_AGAIN_LATER, "no pong")
            return None
        self._has_answered = False
        try:
            self.ping()
        except WebSocketClosedError:
            return None
        return self._sockets.limits.ping_seconds

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if code in (POLICY_VIOLATION, TRY_AGAIN_LATER):
            log.info("socket closed", request_id=self.request_id, code=code, reason=reason)
        if self._outgoing is not None:
            self._outgoing.close()
        super().close(code, reason)

    def on_close(self) -> None:
        if self._outgoing is not None:
            self._outgoing.close()
        if self._expiry is not None:
            self._expiry.cancel()
        self._sockets.forget(self)

    def _stream(self) -> IOStream:
        # ``stream`` is not in Tornado's manual, though public by its name: no other way leads to the bytes.
        connection = self.ws_connection
        if connection is None or connection.stream is None:
            raise WebSocketClosedError
        return connection.stream


def _words(field: str) -> list[str]:
    return [word.strip() for word in field.lower().split(",")]
