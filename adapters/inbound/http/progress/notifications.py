"""``/notifications/sse``: what was done after the answer, told to its owner as server-sent events."""

import json
from contextlib import suppress
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.refusals import Refused, answer_with, refuse
from adapters.inbound.http.instructions.envelope import enveloped_refusal
from adapters.inbound.http.progress.stream import HEARTBEAT, EventStream
from application.notification import Inbox, NotificationUseCase
from domain.errors import LongshoreError
from domain.notification import Notification, notification_fields

_MAX_ID = 64


def notification_text(notification: Notification) -> bytes:
    """WHATWG HTML §9.2.6."""
    event = notification.event
    body = json.dumps(notification_fields(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.type}\ndata: {body}\n\n".encode("utf-8", "replace")


class NotificationsHandler(EventStream):
    """A reader of its own notifications. Nothing waits here for a slow one: what follows is read once it has taken what
    was before.

    GET: 200, and no end; 401; 429 too many requests, or streams of one client; 503 no more are taken, or the database
    is away (docs/http.md, Notifications).
    """

    def initialize(self, notifications: NotificationUseCase, **common: Any) -> None:  # noqa: ANN401 -- ``given``'s
        self.given(**common)
        self._notifications = notifications
        self._inbox: Inbox | None = None

    async def get(self) -> None:
        try:
            principal = await self.who_calls()
            if self._authenticator.says_who(self.request):  # as no ``EventSource`` can
                principal = self._authenticator.named(self.request, principal)
            self.admit(principal)
            # A page can't set the header, and has to begin anew where a ticket was used: then it says so in the query.
            after = self.request.headers.get("Last-Event-ID") or self.get_query_argument("last_event_id", "")
            self._inbox = await self._notifications.open(principal, after=after[:_MAX_ID])
            with suppress(StreamClosedError):
                await self._write_all(self._inbox)
        except (LongshoreError, Refusal, HTTPError) as error:
            if self._headers_written:
                await self.finish()  # the reader comes back, and misses nothing
            else:
                await self.answer_refusal(error)
        finally:
            self.end()
            self.leave()

    def end(self) -> None:
        super().end()
        if self._inbox is not None:
            self._inbox.close()

    async def answer_refusal(self, error: LongshoreError | Refusal | HTTPError) -> None:
        """In the words of instructions."""
        refuse(error, self.request, self.request_id, what="event stream refused")  # for the log
        reply = enveloped_refusal(error, self.request_id)
        await answer_with(self, Refused(reply.status, reply.headers, reply.body))

    async def _write_all(self, inbox: Inbox) -> None:
        await self.begin(last_id=inbox.begins_after)
        while not self._is_ended:
            found = await inbox.next(self._streams.heartbeat_seconds)
            if not self._is_ended:
                await self.send(b"".join(map(notification_text, found)) or HEARTBEAT)
        await self.finish()
