"""For any ASGI server, with or without a framework: bodies as they come, replies as they go."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from adapters.inbound.common.block_source import BlockSource, BodyCut
from adapters.inbound.common.heads import Fields, PlainHead
from adapters.inbound.frameworks.dialects import PATHS, Dialects, Who
from adapters.inbound.http.engine.exchange import Reply
from adapters.inbound.http.engine.framing import announced_length
from domain.access import ANYBODY, Principal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OURS = re.compile(f"/{PATHS}", re.DOTALL)


class ReceivedBody(BlockSource):
    """A client that is gone has cut it short: what had come counts."""

    def __init__(self, receive: Receive, *, length: int | None) -> None:
        super().__init__(length=length)
        self._receive = receive
        self._has_more = length != 0

    async def next_block(self) -> bytes:
        while self._has_more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BodyCut
            self._has_more = bool(message.get("more_body", False))
            if block := message.get("body", b""):
                return bytes(block)
        return b""


def head_of(scope: Scope) -> PlainHead:
    raw: bytes | None = scope.get("raw_path")
    path = raw.split(b"?", 1)[0].decode("latin-1") if raw else quote(scope["path"])
    return PlainHead(
        method=scope["method"],
        path=path,
        headers=Fields((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        query=scope.get("query_string", b"").decode("latin-1"),
        protocol=scope.get("scheme", "http"),
        version=f"HTTP/{scope.get('http_version', '1.1')}",
    )


async def send_reply(reply: Reply, send: Send, *, has_content: bool) -> None:
    try:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if has_content and reply.content is not None:
            async for block in reply.content:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": reply.body if has_content else b""})
    finally:
        if reply.closing is not None:
            await reply.closing()


async def answer(dialects: Dialects, who: Who, base: str, *, scope: Scope, receive: Receive) -> Reply:
    head = head_of(scope)
    return await dialects.answer(head, ReceivedBody(receive, length=announced_length(head.headers)), who, base=base)


class Mounted:
    """An ASGI application: what is ours below ``at`` is answered, all else is ``otherwise``'s.

    ``principal`` says by a request's scope who calls.
    """

    def __init__(
        self,
        dialects: Dialects,
        *,
        principal: Callable[[Scope], Principal | Awaitable[Principal]] = lambda _: ANYBODY,
        otherwise: App | None = None,
        at: str = "",
    ) -> None:
        self._dialects = dialects
        self._principal = principal
        self._otherwise = otherwise
        self._at = at.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        base = f"{scope.get('root_path', '')}{self._at}"
        if self._otherwise is not None and not (scope["type"] == "http" and self._is_ours(scope["path"], base)):
            await self._otherwise(scope, receive, send)
            return
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            reply = await answer(
                self._dialects, lambda: self._principal(scope), quote(base), scope=scope, receive=receive
            )
            await send_reply(reply, send, has_content=scope["method"] != "HEAD")
        else:
            await send({"type": "websocket.close", "code": 1000})

    @staticmethod
    def _is_ours(path: str, base: str) -> bool:
        return path.startswith(base) and _OURS.fullmatch(path[len(base) :]) is not None


async def _live(receive: Receive, send: Send) -> None:
    """What is opened and closed with the program is the program's."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
