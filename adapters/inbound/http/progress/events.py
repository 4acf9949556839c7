"""``/events``: the progress of ``/ws/progress`` as server-sent events, for whoever has no WebSocket."""

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from adapters.inbound.common.admission import Admission, Drain
from adapters.inbound.common.auth import Authenticator, at_expiry
from adapters.inbound.common.backlog import Backlog
from adapters.inbound.common.errors import Refusal, code_of
from adapters.inbound.common.rate_limit import RateLimiter
from adapters.inbound.common.refusals import answer_with, refuse
from adapters.inbound.common.watch_ids import Spellings
from adapters.inbound.common.wishes import parse_wishes
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.handlers import ProblemHandler
from application.progress import ProgressUseCase
from application.progress.messages import ProgressMessage
from domain.errors import LongshoreError

log = structlog.get_logger(__name__)

_MAX_UNREAD_BYTES = 64 * 1024
_SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel keeps for a slow reader is old news by the time it is read."""
_MAX_STALL_SECONDS = 10.0
_RETRY = b"retry: 2000\n\n"
_HEARTBEAT = b":\n\n"
_SEQUENCE = re.compile(r"[0-9]{1,18}", re.ASCII)


def event_text(message: ProgressMessage) -> bytes:
    """WHATWG HTML §9.2.6; an error has no id, so that the last one before it stays the reader's."""
    id_ = b"" if message.sequence is None else b"id: %d\n" % message.sequence
    return b"%sevent: %s\ndata: %s\n\n" % (id_, message.type.encode(), message.body)


class EventStreams(Admission["EventsHandler"]):
    """All open streams of this process: their budget, and their end when the server drains."""

    def __init__(
        self, drain: Drain, *, max_streams: int = 5_000, max_per_client: int = 1_000, heartbeat_seconds: float = 15.0
    ) -> None:
        super().__init__("event streams", drain, at_most=max_streams, per_client=max_per_client)
        self.heartbeat_seconds = heartbeat_seconds

    async def close_all(self) -> None:
        """End what is open; returns when all are gone, or after two seconds."""
        await self.end_all(EventsHandler.end)


class EventsHandler(ProblemHandler):
    """A subscriber of progress. What its reader is too slow for is replaced by what is newer.

    GET: 200, and no end; 400 neither ids nor scope, or too many ids; 401; 429 too many requests, or streams of one
    client; 503 no more are taken (docs/http.md, Progress).
    """

    def initialize(
        self,
        progress: ProgressUseCase,
        authenticator: Authenticator,
        streams: EventStreams,
        cors: Cors,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._rate_limiter = rate_limiter
        self._progress = progress
        self._authenticator = authenticator
        self._streams = streams
        self._cors = cors
        self._spellings = Spellings()
        self._backlog = Backlog(_MAX_UNREAD_BYTES)
        self._has_news = asyncio.Event()
        self._is_drained = asyncio.Event()
        self._is_ended = False

    async def get(self) -> None:
        for name, value in self._cors.headers(self.request).items():
            self.set_header(name, value)
        writing: asyncio.Task[None] | None = None
        expiry: asyncio.TimerHandle | None = None
        try:
            client = self._authenticator.client_ip(self.request)
            if self._rate_limiter is not None:
                self._rate_limiter.check(client)
            principal = await self._authenticator.caller(self.request)
            upload_ids, mine = self._parse_wishes()
            self._streams.admit(self, client)
            writing = asyncio.create_task(self._write_all())
            expiry = at_expiry(principal, self.end)
            after = self._parse_last_event_id()
            watch_ids = self._spellings.fold(upload_ids)
            await self._progress.subscribe(principal, self, watch_ids, mine=mine, after=after)
            await writing
        except (LongshoreError, Refusal, HTTPError) as error:
            await self._refuse(error, writing)
        finally:
            self._progress.leave(self)
            self._streams.forget(self)
            if expiry:
                expiry.cancel()
            if writing:
                writing.cancel()

    # What the use case asks of a subscriber

    def offer(self, message: ProgressMessage) -> None:
        if self._is_ended:
            return
        message = self._spellings.restore(message)
        has_room = self._backlog.put(message.key, message.rendered(event_text))
        self._has_news.set()
        self._is_drained.clear()
        if not has_room:
            self.cut()

    def offer_all(self, messages: Sequence[ProgressMessage]) -> None:
        for message in messages:
            self.offer(message)

    async def ready(self) -> None:
        if not self._is_ended and self._backlog:
            await self._is_drained.wait()

    # Its end

    def end(self) -> None:
        """Let the reader go, in good order."""
        self._is_ended = True
        self._has_news.set()
        self._is_drained.set()

    def cut(self) -> None:
        """Let the reader go that takes too little; it comes back with ``Last-Event-ID``."""
        if not self._is_ended:
            log.info("event stream cut: its reader is too slow", request_id=self.request_id)
        self.end()
        self._stream_connection().stream.close()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.end()

    # Inside

    async def _write_all(self) -> None:
        with suppress(StreamClosedError):
            self._begin()
            await self._send(_RETRY)
            while not self._is_ended:
                try:
                    async with asyncio.timeout(self._streams.heartbeat_seconds):
                        await self._has_news.wait()
                except TimeoutError:
                    await self._send(_HEARTBEAT)
                    continue
                await self._send_waiting()
            await self.finish()

    async def _send_waiting(self) -> None:
        self._has_news.clear()
        if self._is_ended:
            return
        await self._send(self._backlog.take_all())
        if not self._backlog:
            self._is_drained.set()

    async def _send(self, texts: bytes) -> None:
        self.write(texts)
        try:
            async with asyncio.timeout(_MAX_STALL_SECONDS):
                await self.flush()
        except TimeoutError:
            self.cut()

    def _begin(self) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store, no-transform")  # a proxy that compresses holds events back
        self.set_header("X-Accel-Buffering", "no")
        stream = self._stream_connection().stream
        if stream.closed():
            raise StreamClosedError
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def _stream_connection(self) -> HTTP1Connection:
        return cast(HTTP1Connection, self.request.connection)

    def _parse_wishes(self) -> tuple[list[str], bool]:
        upload_ids, mine = parse_wishes(self)
        if not upload_ids and not mine:
            raise Refusal(400, "invalid_request", "upload_id or scope=mine is needed")
        return upload_ids, mine

    def _parse_last_event_id(self) -> int:
        given = self.request.headers.get("Last-Event-ID", "")
        return int(given) if _SEQUENCE.fullmatch(given) else 0

    async def _refuse(self, error: LongshoreError | Refusal | HTTPError, writing: asyncio.Task[None] | None) -> None:
        if writing is not None and self._headers_written:
            body = json.dumps({"type": "error", "code": code_of(error)}).encode()
            self.offer(ProgressMessage(key="error", type_="error", sequence=None, body=body))
            await self.ready()
            self.end()
            await writing
            return
        if writing is not None:
            writing.cancel()
        await answer_with(self, refuse(error, self.request, self.request_id, what="event stream refused"))
