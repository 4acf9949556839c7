"""For Django, served by ASGI: async views.

Django reads a request's body to its end before any view is called, so of a body that is cut nothing has come, and
clients go on from the request before. Where that is too much to lose, ``asgi.py``'s ``Mounted`` goes before Django.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from adapters.inbound.common.block_source import BlockSource, BodyCut
from adapters.inbound.common.heads import Fields, PlainHead
from adapters.inbound.frameworks.dialects import PATHS, Dialects
from adapters.inbound.http.engine.exchange import Reply
from adapters.inbound.http.engine.framing import announced_length
from domain.access import ANYBODY, Principal

_BLOCK_BYTES = 256 * 1024


def urls(
    dialects: Dialects, *, principal: Callable[[HttpRequest], Principal | Awaitable[Principal]] = lambda _: ANYBODY
) -> Sequence[URLPattern]:
    """``principal`` says by a request who calls. Django's tokens against forgery are not asked for: a page of another
    origin is refused by its ``Origin``."""

    async def view(request: HttpRequest, rest: str) -> HttpResponseBase:
        head = PlainHead(
            method=request.method or "",
            path=quote(request.path),
            headers=Fields(request.headers.items()),
            query=request.META.get("QUERY_STRING", ""),
            protocol=request.scheme or "http",
        )
        length = announced_length(head.headers)
        base = quote(request.path.removesuffix(rest).rstrip("/"))
        reply = await dialects.answer(head, _Body(request, length=length), lambda: principal(request), base=base)
        return _response(reply, has_content=request.method != "HEAD")

    return [re_path(rf"^(?P<rest>{PATHS})$", csrf_exempt(view))]


class _Body(BlockSource):
    def __init__(self, request: HttpRequest, *, length: int | None) -> None:
        super().__init__(length=length)
        self._request = request

    async def next_block(self) -> bytes:
        try:
            return await asyncio.to_thread(self._request.read, _BLOCK_BYTES)
        except UnreadablePostError as error:
            raise BodyCut from error


def _response(reply: Reply, *, has_content: bool) -> HttpResponseBase:
    response: HttpResponseBase
    if reply.content is not None and has_content:
        response = StreamingHttpResponse(_content(reply), status=reply.status)
    else:
        response = HttpResponse(reply.body if has_content else b"", status=reply.status)
        if reply.closing is not None:
            response = StreamingHttpResponse(_content(reply, is_wanted=False), status=reply.status)
    del response["Content-Type"]
    for name, value in reply.headers.items():
        response[name] = value
    return response


async def _content(reply: Reply, *, is_wanted: bool = True) -> AsyncIterator[bytes]:
    try:
        if is_wanted and reply.content is not None:
            async for block in reply.content:
                yield block
    finally:
        if reply.closing is not None:
            await reply.closing()
