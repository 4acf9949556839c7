"""Async views in Django's own ASGI handler: of a request that is cut nothing has come, what was before it stands."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, ClassVar
from urllib.parse import unquote

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import URLPattern, URLResolver, clear_url_caches, include, path

from domain.access import Principal
from longshore.django import urls
from longshore.embed import in_memory, user

_CONTENT = bytes(range(256)) * 4000
_FIRST = 300_000

Message = MutableMapping[str, Any]


class Urls:
    """As a module of Django's has them."""

    urlpatterns: ClassVar[list[URLPattern | URLResolver]] = []


async def who(_: object) -> Principal:
    return user("alice")


class Django:
    def __init__(self, below: str = "") -> None:
        if not settings.configured:
            settings.configure(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["here"], SECRET_KEY="a test's")
        ours = urls(in_memory(), principal=who)
        Urls.urlpatterns = [path(below, include(list(ours)))]
        clear_url_caches()
        self._app = get_asgi_application()

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, cut: bool = False, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"host": "here", "tus-resumable": "1.0.0", "content-length": str(len(body)), **named}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
        }
        half = body[: len(body) // 2]
        coming: list[Message] = [{"type": "http.request", "body": half if cut else body, "more_body": cut}]
        sent: list[Message] = []
        answered = asyncio.Event()

        async def receive() -> Message:
            if coming:
                return coming.pop(0)
            if not cut:
                await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        await self._app(scope, receive, send)
        if not sent:
            return 0, {}, b""
        told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


async def test_an_upload_goes_on_from_the_request_before_the_one_that_was_cut() -> None:
    django = Django()
    status, told, _ = await django.ask("POST", "/uploads", Upload_Length=str(len(_CONTENT)))
    assert status == 201
    target = told["location"]
    type_ = "application/offset+octet-stream"

    async def patch(at: int, body: bytes, *, cut: bool = False) -> int:
        return (await django.ask("PATCH", target, body, cut=cut, Upload_Offset=str(at), Content_Type=type_))[0]

    assert await patch(0, _CONTENT[:_FIRST]) == 204
    assert await patch(_FIRST, _CONTENT[_FIRST:], cut=True) == 0
    _, told, _ = await django.ask("HEAD", target)
    assert told["upload-offset"] == str(_FIRST)
    assert await patch(_FIRST, _CONTENT[_FIRST:]) == 204
    status, told, content = await django.ask("GET", f"/files/{target.rpartition('/')[2]}/content")
    assert (status, told["content-length"], content) == (200, str(len(_CONTENT)), _CONTENT)
    assert (await django.ask("HEAD", f"/files/{target.rpartition('/')[2]}/content"))[2] == b""
    assert (await django.ask("GET", "/files/unknown"))[0] == 404


async def test_pages_of_other_origins_may_change_nothing() -> None:
    status, _, body = await Django().ask("POST", "/uploads", Upload_Length="5", Origin="https://evil.example")
    assert (status, b'"forbidden"' in body) == (403, True)


async def test_they_are_found_below_any_path() -> None:
    for below, sent in (("st@re:a/", "/st@re:a"), ("é t/", "/é t")):  # as servers hand paths over: unescaped
        django = Django(below)
        status, told, _ = await django.ask("POST", f"{sent}/uploads", Upload_Length="3")
        assert status == 201
        assert (await django.ask("HEAD", unquote(told["location"])))[0] == 200
