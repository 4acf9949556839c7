"""Routes of ours below a path of somebody's program, however that is spelt; and a ``principal`` that names nobody."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

import longshore.fastapi
import longshore.starlette
from adapters.inbound.frameworks.asgi import App
from longshore.asgi import application
from longshore.embed import Longshore, in_memory
from longshore.serving import serving

_TUS = {"Tus-Resumable": "1.0.0"}


def fastapi(store: Longshore, at: str, **options: Any) -> App:
    app = FastAPI()
    app.include_router(longshore.fastapi.router(store, prefix=at, **options))
    return app


def starlette(store: Longshore, at: str, **options: Any) -> App:
    return Starlette(routes=[Mount(at, routes=longshore.starlette.routes(store, **options))])


def asgi(store: Longshore, at: str, **options: Any) -> App:
    return application(store, at=at, **options)


_PROGRAMS: list[Callable[..., App]] = [fastapi, starlette, asgi]


def asking(app: App) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


@pytest.mark.parametrize("program", _PROGRAMS)
async def test_a_path_is_found_however_it_is_spelt(program: Callable[..., App]) -> None:
    for at, spelt in (
        ("/store", ("/store", "/%73tore", "/stor%65")),
        ("/~a@b:c,d;e", ("/~a@b:c,d;e", "/%7Ea%40b%3Ac%2Cd%3Be", "/~a%40b:c,d%3be")),
        ("/é t", ("/%C3%A9%20t", "/%c3%a9%20%74")),
    ):
        async with asking(program(in_memory(), at)) as client:
            for base, ours in product(spelt, ("/uploads", "/%75ploads")):
                begun = await client.post(f"{base}{ours}", headers={**_TUS, "Upload-Length": "3"})
                assert begun.status_code == 201, (base, ours)
                target = begun.headers["Location"]
                sent = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
                assert (await client.patch(target, headers=sent, content=b"one")).status_code == 204, target
                content = target.replace("/uploads/", "/files/") + "/content"
                assert (await client.get(content)).content == b"one", content
            named = await client.put(f"{spelt[-1]}/upload/a%2Fb%20%40.txt", content=b"two")
            about = (await client.get(named.headers["Location"])).json()
            assert about["name"] in ("a/b @.txt", "b @.txt")
            assert (await client.get(f"{spelt[0]}x/uploads")).status_code == 404


@pytest.mark.parametrize(("program", "told"), [(fastapi, "alice"), (asgi, None)])
async def test_a_principal_that_is_none_is_told_to_the_program(
    program: Callable[..., App], told: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the first request, whatever it asks for; and nothing comes of it."""

    def principal(_: object = None) -> object:
        return told

    async with asking(program(in_memory(), "/store", principal=principal)) as client:
        answer = await client.post("/store/uploads", headers={**_TUS, "Upload-Length": "3"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert f"TypeError: principal returned {told!r}: it has to be user(…)" in capsys.readouterr().out


async def test_so_it_is_with_a_server_of_ours() -> None:
    who: Any = lambda _: "alice"  # noqa: E731
    async with serving(in_memory(), principal=who) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/uploads?state=open")).status_code == 500


@pytest.mark.parametrize("program", [fastapi, starlette, partial(asgi, otherwise=Starlette())])
async def test_what_is_not_ours_is_the_programs(program: Callable[..., App]) -> None:
    async with asking(program(in_memory(), "/s")) as client:
        for path in ("/s/files", "/s/uploaded", "/s/filesystem/1", "/files/1", "/"):
            assert "X-Request-Id" not in (await client.get(path)).headers, path
        for path in ("/s/uploads?state=open", "/s/upload", "/s/upload/1", "/s/files/1", "/s/uploads/1"):
            assert "X-Request-Id" in (await client.get(path)).headers, path
