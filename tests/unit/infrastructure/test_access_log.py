"""A line of the access log, and what becomes of lines that nobody reads."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from adapters.inbound.common.visits import Visit, route_of
from domain.access import ADMINISTRATOR, ANYBODY, STRANGER, guest, user
from domain.ids import OwnerId
from infrastructure.observing.access_log import AccessLog
from tests.support.until import wait_until

ID = "0123456789abcdef01234567"


def a_visit(path: str = "/uploads/1", *, method: str = "PATCH", caller: OwnerId | None = None, **other: Any) -> Visit:
    return Visit(
        method=method,
        path=path,
        route="/uploads/{id}",
        client="127.0.0.1",
        request_id="r-1",
        caller=caller,
        status=204,
        bytes_in=5,
        seconds=0.0123,
        **other,
    )


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        with suppress(OSError):
            os.close(fd)


async def lines_of(pipe: tuple[int, int], *visits: Visit, as_console: bool = False) -> list[str]:
    log = AccessLog(pipe[1], as_console=as_console)
    for visit in visits:
        log.tell(visit)
    await log.close()
    return os.read(pipe[0], 1_000_000).decode().splitlines()


async def test_a_line_says_who_what_and_how_long(pipe: tuple[int, int]) -> None:
    (line,) = await lines_of(pipe, a_visit(caller=user(ID).owner))
    told = json.loads(line)
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "logger": "access",
        "method": "PATCH",
        "path": "/uploads/1",
        "status": 204,
        "bytes_in": 5,
        "bytes_out": 0,
        "milliseconds": 12.3,
        "client_address": "127.0.0.1",
        "user_id": ID,
        "request_id": "r-1",
    }


async def test_users_go_by_their_id_guests_say_so_and_nobody_has_none(pipe: tuple[int, int]) -> None:
    owners = [guest(ID).owner, ADMINISTRATOR.owner, ANYBODY.owner, STRANGER.owner, None]
    lines = await lines_of(pipe, *(a_visit(caller=owner) for owner in owners))
    assert [json.loads(line)["user_id"] for line in lines] == [f"guest:{ID}", "administrator", None, None, None]


@pytest.mark.parametrize("as_console", [False, True])
async def test_whatever_a_request_is_called_its_line_is_one_and_short(
    pipe: tuple[int, int], *, as_console: bool
) -> None:
    nasty = [a_visit("/" + letter * 5000, method=letter * 5000) for letter in ('"', "\n", "\x1b", "é", "\u202e", "\\")]
    lines = await lines_of(pipe, *nasty, as_console=as_console)
    assert len(lines) == len(nasty)
    assert all(line.isascii() and line.isprintable() and len(line) < 2500 for line in lines)


@pytest.mark.parametrize("mark", ["%3F", "%3f"])
async def test_a_query_that_is_escaped_is_not_told(pipe: tuple[int, int], mark: str) -> None:
    (line,) = await lines_of(pipe, a_visit(f"/files/1/content{mark}signature=secret"))
    assert "secret" not in line


async def test_what_was_cut_says_so(pipe: tuple[int, int]) -> None:
    assert json.loads((await lines_of(pipe, a_visit(is_cut=True)))[0])["cut"] is True


async def test_a_reader_that_stands_still_loses_lines_and_is_told_how_many(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(reading, False)
    log, count = AccessLog(writing, max_waiting_bytes=100_000), 5000
    for _ in range(count):  # a pipe holds 64 KiB
        log.tell(a_visit())
    text = b""

    def is_told() -> bool:
        nonlocal text
        log.tell(a_visit())
        with suppress(BlockingIOError):
            text += os.read(reading, 1_000_000)
        return b'"lost_lines"' in text

    await wait_until(is_told)
    lost = next(line for line in map(json.loads, text.splitlines()[:-1]) if "lost_lines" in line)
    assert 0 < lost["lost_lines"] < count


async def test_a_reader_that_is_gone_is_no_trouble(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)
    log = AccessLog(writing)
    for _ in range(2000):
        log.tell(a_visit())
    await log.close()


def test_paths_have_one_name() -> None:
    assert route_of(r"/files/(?P<id>[^/]+)/content/?") == "/files/{id}/content"
    assert route_of(r"/static/(.+)") == "/static/{id}"
    assert route_of(r"\*") == "*"


async def test_lines_of_processes_that_share_a_pipe_stay_whole(pipe: tuple[int, int]) -> None:
    logs = [AccessLog(pipe[1], is_shared=True) for _ in range(2)]
    for number in range(300):
        for log in logs:
            log.tell(a_visit(f"/files/{number}" + "x" * 200))
    closing = asyncio.gather(*(log.close() for log in logs))
    data = b""
    while data.count(b"\n") < 600:  # in pieces, so that both wait for room and take turns
        data += await asyncio.to_thread(os.read, pipe[0], 3_000)
    await closing
    assert {json.loads(line)["status"] for line in data.splitlines()} == {204}
