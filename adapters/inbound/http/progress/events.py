"""``/events``: the progress of ``/ws/progress`` as server-sent events, for whoever has no WebSocket."""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from adapters.inbound.common.backlog import Backlog
from adapters.inbound.common.errors import Refusal, code_of, detail_of
from adapters.inbound.common.watch_ids import Spellings
from adapters.inbound.common.wishes import parse_wishes
from adapters.inbound.http.progress.stream import HEARTBEAT, EventStream
from application.progress import ProgressUseCase
from application.progress.messages import ProgressMessage
from domain.errors import LongshoreError

_MAX_UNREAD_BYTES = 64 * 1024
_SEQUENCE = re.compile(r"[0-9]{1,18}", re.ASCII)


def event_text(message: ProgressMessage) -> bytes:
    """WHATWG HTML §9.2.6; an error has no id, so that the last one before it stays the reader's."""
    id_ = b"" if message.sequence is None else b"id: %d\n" % message.sequence
    return b"%sevent: %s\ndata: %s\n\n" % (id_, message.type.encode(), message.body)


class EventsHandler(EventStream):
    """A subscriber of progress. What its reader is too slow for is replaced by what is newer.

    GET: 200, and no end; 400 neither ids nor scope, or too many ids; 401; 429 too many requests, or streams of one
    client; 503 no more are taken (docs/http.md, Progress).
    """

    def initialize(self, progress: ProgressUseCase, **common: Any) -> None:  # noqa: ANN401 -- ``given``'s
        self.given(**common)
        self._progress = progress
        self._spellings = Spellings()
        self._backlog = Backlog(_MAX_UNREAD_BYTES)
        self._has_news = asyncio.Event()
        self._is_drained = asyncio.Event()

    async def get(self) -> None:
        writing: asyncio.Task[None] | None = None
        try:
            principal = await self.who_calls()
            upload_ids, mine = self._parse_wishes()
            self.admit(principal)
            writing = asyncio.create_task(self._write_all())
            after = self._parse_last_event_id()
            watch_ids = self._spellings.fold(upload_ids)
            await self._progress.subscribe(principal, self, watch_ids, mine=mine, after=after)
            await writing
        except (LongshoreError, Refusal, HTTPError) as error:
            await self._refuse(error, writing)
        finally:
            self._progress.leave(self)
            self.leave()
            if writing:
                writing.cancel()

    def check_wishes(self) -> None:
        self._parse_wishes()

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
        super().end()
        self._has_news.set()
        self._is_drained.set()

    # Inside

    async def _write_all(self) -> None:
        with suppress(StreamClosedError):
            await self.begin()
            while not self._is_ended:
                try:
                    async with asyncio.timeout(self._streams.heartbeat_seconds):
                        await self._has_news.wait()
                except TimeoutError:
                    await self.send(HEARTBEAT)
                    continue
                await self._send_waiting()
            await self.finish()

    async def _send_waiting(self) -> None:
        self._has_news.clear()
        if self._is_ended:
            return
        await self.send(self._backlog.take_all())
        if not self._backlog:
            self._is_drained.set()

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
            body = json.dumps({"type": "error", "code": code_of(error), "detail": detail_of(error)}).encode()
            self.offer(ProgressMessage(key="error", type_="error", sequence=None, body=body))
            await self.ready()
            self.end()
            await writing
            return
        if writing is not None:
            writing.cancel()
        await self.answer_refusal(error)
