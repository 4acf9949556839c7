"""What all streams of server-sent events have in common: who may open how many, their head, their pace, their end."""

import asyncio
import socket
from typing import cast

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from adapters.inbound.common.admission import Admission, Drain, StreamBudget
from adapters.inbound.common.auth import Authenticator, at_expiry
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.refusals import answer_with, refuse
from adapters.inbound.common.visits import note_caller
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.handlers import ProblemHandler
from domain.access import Principal
from domain.errors import LongshoreError

log = structlog.get_logger(__name__)

HEARTBEAT = b":\n\n"
_SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel keeps for a slow reader is old news by the time it is read."""
_RETRY = b"retry: 2000\n"


class EventStreams(Admission["EventStream"]):
    """All open streams of this process: their budget, their patience, and their end when the server drains."""

    def __init__(
        self,
        drain: Drain,
        budget: StreamBudget | None = None,
        *,
        heartbeat_seconds: float = 15.0,
        stall_seconds: float = 10.0,
    ) -> None:
        """``stall_seconds``: how long what was sent may stay unread before its reader is let go."""
        super().__init__(drain, budget)
        self.heartbeat_seconds = heartbeat_seconds
        self.stall_seconds = stall_seconds

    async def close_all(self) -> None:
        """End what is open; returns when all are gone, or after two seconds."""
        await self.end_all(lambda stream: stream.end())


class EventStream(ProblemHandler):
    """One reader; which it is of, and what it is told, its kind says."""

    def given(
        self,
        authenticator: Authenticator,
        streams: EventStreams,
        cors: Cors,
        counter: Counter,
    ) -> None:
        """What each of them is made of; to be called first."""
        self._authenticator = authenticator
        self._streams = streams
        self._cors = cors
        self._counter = counter
        self._expiry: asyncio.TimerHandle | None = None
        self._is_ended = False

    def prepare(self) -> None:
        for name, value in self._cors.headers(self.request).items():
            self.set_header(name, value)

    async def who_calls(self) -> Principal:
        """Counted as a request, whoever it is.

        Raises:
            TooManyRequests, Unauthenticated
        """
        caller = await self._counter.caller(self.request)
        note_caller(self.request, caller)
        return caller

    async def head(self) -> None:
        """What GET would be answered, without a stream."""
        try:
            await self.who_calls()
            self.check_wishes()
            self._describe()
        except (LongshoreError, Refusal, HTTPError) as error:
            await self.answer_refusal(error)

    def check_wishes(self) -> None:
        """Raises:
        Refusal: what is asked for is not told here.
        """

    def admit(self, principal: Principal) -> None:
        """It ends once it is no longer known who calls. To be undone by ``leave``.

        Raises:
            TooManyRequests, Unavailable: as ``Admission.admit``.
        """
        self._streams.admit(self, self._authenticator.client_ip(self.request))
        self._expiry = at_expiry(principal, self.end)

    def leave(self) -> None:
        self._streams.forget(self)
        if self._expiry is not None:
            self._expiry.cancel()

    async def begin(self, *, last_id: str = "") -> None:
        """Send the head. ``last_id``: what the reader comes back with that was told nothing yet.

        Raises:
            StreamClosedError: the reader is gone.
        """
        self._describe()
        stream = self._stream_connection().stream
        if stream.closed():
            raise StreamClosedError
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        # WHATWG HTML §9.2.6: without data nothing is dispatched, and the id is kept.
        await self.send(_RETRY + (f"id: {last_id}\n\n".encode() if last_id else b"\n"))

    async def send(self, texts: bytes) -> None:
        self.write(texts)
        try:
            async with asyncio.timeout(self._streams.stall_seconds):
                await self.flush()
        except TimeoutError:
            self.cut()

    def end(self) -> None:
        """Let the reader go, in good order."""
        self._is_ended = True

    def cut(self) -> None:
        """Let the reader go that takes too little; it comes back with ``Last-Event-ID``."""
        if not self._is_ended:
            log.info("event stream cut: its reader is too slow", request_id=self.request_id)
        self.end()
        self._stream_connection().stream.close()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.end()

    async def answer_refusal(self, error: LongshoreError | Refusal | HTTPError) -> None:
        """Where the head has not been sent."""
        await answer_with(self, refuse(error, self.request, self.request_id, what="event stream refused"))

    def _describe(self) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store, no-transform")  # a proxy that compresses holds events back
        self.set_header("X-Accel-Buffering", "no")

    def _stream_connection(self) -> HTTP1Connection:
        return cast(HTTP1Connection, self.request.connection)
