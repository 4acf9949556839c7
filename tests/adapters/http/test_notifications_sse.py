"""``/notifications/sse`` over real sockets: what is told live and again, to whom, and how it ends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from adapters.inbound.common.admission import Drain, StreamBudget
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.progress.notifications import NotificationsHandler
from adapters.inbound.http.progress.stream import EventStreams
from application.notification import NotificationUseCase
from domain.access import Principal, guest, user
from domain.errors import RepositoryUnavailable
from domain.events import Event, InstructionEvent
from ports.unit_of_work import UnitOfWork
from tests.adapters.http.test_events_sse import Client
from tests.support.builders import BOB, NOW, an_event, an_instruction_event, an_upload
from tests.support.counters import a_counter
from tests.support.progress import House
from tests.support.until import wait_until

NAME = "a" * 24
MINE = user(NAME)


class Server:
    def __init__(self, streams: Callable[[Drain], EventStreams]) -> None:
        self.house = House()
        self.drain = Drain()
        self.streams = streams(self.drain)
        self.is_away = False
        self.notifications = NotificationUseCase(self._unit_of_work, self.house.feed)
        services = {
            "notifications": self.notifications,
            "authenticator": Authenticator(),
            "streams": self.streams,
            "cors": Cors(["https://app.example"]),
            "counter": a_counter("100/minute"),
        }
        self._server = HTTPServer(Application([(r"/notifications/sse/?", NotificationsHandler, services)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        self.port: int = listening.getsockname()[1]
        self._server.add_sockets([listening])
        self._clients: list[Client] = []

    def _unit_of_work(self) -> UnitOfWork:
        if self.is_away:
            raise RepositoryUnavailable("away")
        return self.house.units()

    async def announce(self, *events: Event) -> None:
        async with self.house.units() as work:
            for event in events:
                work.announce(event)
            await work.commit()

    async def open(self, query: str = "", *, receive_buffer: int | None = None, **headers: str) -> Client:
        client = Client()
        self._clients.append(client)
        connecting = socket.socket()
        if receive_buffer:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, ("127.0.0.1", self.port))
        client.reader, client.writer = await asyncio.open_connection(sock=connecting, limit=2048)
        lines = [f"GET /notifications/sse{query} HTTP/1.0", "Host: x"]  # 1.0 has no chunks around the text
        given = {"x-user-id": NAME, **{name.replace("_", "-"): value for name, value in headers.items()}}
        client.writer.write(
            "\r\n".join([*lines, *(f"{name}: {value}" for name, value in given.items()), "", ""]).encode()
        )
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 2)
        status, *fields = head.decode().rstrip().split("\r\n")
        client.status = int(status.split()[1])
        client.headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        if client.status == 200:
            retry, id_ = (await client.piece()).decode().rstrip().split("\n")
            assert retry == "retry: 2000"
            client.last_id = id_.removeprefix("id: ")
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.writer.close()
        await self.streams.close_all()
        await self.notifications.close()
        self._server.stop()
        await self._server.close_all_connections()


@asynccontextmanager
async def serving(streams: Callable[[Drain], EventStreams] = EventStreams) -> AsyncIterator[Server]:
    server = Server(streams)
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


def events(count: int, owner: Principal = MINE) -> list[InstructionEvent]:
    return [an_instruction_event(owner=owner, time=NOW + timedelta(seconds=number)) for number in range(count)]


async def ids(client: Client, count: int) -> list[str]:
    return [told_id for told_id, _, _ in [await told(client) for _ in range(count)]]


async def told(client: Client) -> tuple[str, str, dict[str, str]]:
    """id, type and data of the next one."""
    while True:
        piece = await client.piece()
        fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n") if ": " in line)
        if fields:
            return fields["id"], fields["event"], json.loads(fields["data"])


async def test_it_is_told_as_it_happens_with_its_words(server: Server) -> None:
    client = await server.open()
    event = replace(events(1)[0], status="FAILED", error="broken")
    await server.announce(event)
    assert await told(client) == (
        event.id,
        "instruction.detail",
        {
            "user_id": NAME,
            "instruction_id": event.instruction_id,
            "instruction_detail_id": event.detail_id,
            "status": "FAILED",
            "created_at": "2026-11-20T10:00:00.123Z",
            "file_name": "holiday.jpg",
            "error": "broken",
        },
    )
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["cache-control"] == "no-store, no-transform"


async def test_an_image_that_is_drawn_is_told_and_what_an_upload_was_answered_is_not(server: Server) -> None:
    client = await server.open()
    await server.announce(an_event(an_upload(owner=MINE)))
    upload = await server.house.begin(MINE)
    await server.house.draw(upload)
    _, type_, data = await told(client)
    assert (type_, data["image_id"], data["status"]) == ("image.done", upload.id, "DONE")


async def test_who_comes_back_is_told_what_it_missed_and_who_is_new_nothing_old(server: Server) -> None:
    missed = events(120)
    await server.announce(*missed)
    back = await server.open(Last_Event_ID=missed[9].id)
    assert await ids(back, 110) == [event.id for event in missed[10:]]
    page = await server.open(f"?last_event_id={missed[117].id}")
    assert await ids(page, 2) == [event.id for event in missed[118:]]
    long_gone = await server.open(Last_Event_ID="0" * 32)
    assert await ids(long_gone, 120) == [event.id for event in missed]
    new = await server.open()
    (event,) = events(1)
    await server.announce(event)
    for client in (back, long_gone, new):
        assert await ids(client, 1) == [event.id]


async def test_who_was_told_nothing_yet_comes_back_and_misses_nothing(server: Server) -> None:
    new = await server.open()
    await server.announce(*events(2, BOB))
    missed = events(3)
    await server.announce(missed[0])
    back = await server.open(Last_Event_ID=new.last_id)
    assert await ids(back, 1) == [missed[0].id]
    new = await server.open()
    assert new.last_id == missed[0].id
    await server.announce(*missed[1:])
    for header in (new.last_id, missed[0].id):
        back = await server.open(Last_Event_ID=header)
        assert back.last_id == missed[0].id  # a reader that is strict begins each stream without any
        assert await ids(back, 2) == [event.id for event in missed[1:]]


async def test_an_id_that_nobody_knows_is_not_repeated(server: Server) -> None:
    (event,) = events(1)
    await server.announce(event)
    for strange in ("x%0Adata:%20%7B%7D%0A", "f" * 32):
        client = await server.open(f"?last_event_id={strange}")
        assert client.last_id == "0"
        assert await ids(client, 1) == [event.id]


async def test_nobody_hears_of_another_ones(server: Server) -> None:
    others, mine = events(3, BOB), events(1)
    client = await server.open()
    await server.announce(*others, an_instruction_event(owner=guest(NAME)), *mine)
    assert await ids(client, 1) == [mine[0].id]
    spy = await server.open(Last_Event_ID=others[0].id)
    assert await ids(spy, 1) == [mine[0].id]  # all that is its own, nothing of what follows there


async def test_what_the_feed_does_not_bring_is_found_by_the_next_look() -> None:
    async with serving(partial(EventStreams, heartbeat_seconds=0.05)) as server:
        client = await server.open()
        server.house.feed.is_cut = True
        (event,) = events(1)
        await server.announce(event)
        assert await ids(client, 1) == [event.id]
        assert await client.piece() == b":\n\n"


async def test_after_a_gap_it_looks_at_once(server: Server) -> None:
    client = await server.open()
    server.house.feed.is_cut = True
    (event,) = events(1)
    await server.announce(event)
    server.house.feed.come_back()
    assert await ids(client, 1) == [event.id]


async def test_a_reader_that_takes_nothing_is_let_go_and_misses_nothing() -> None:
    many = [replace(event, error="e" * 1500) for event in events(300)]
    async with serving(partial(EventStreams, stall_seconds=0.2)) as server:
        slow = await server.open(receive_buffer=4096)
        await server.announce(*many)
        await wait_until(lambda: not len(server.streams))
        rest = await slow.rest()
        last = rest.rpartition(b"\n\n")[0].rpartition(b"id: ")[2][:32].decode()
        following = [event.id for event in many[[event.id for event in many].index(last) + 1 :]]
        assert following
        back = await server.open(Last_Event_ID=last)
        assert await ids(back, len(following)) == following


async def test_a_database_that_goes_away_ends_the_stream_in_good_order(server: Server) -> None:
    client = await server.open()
    server.is_away = True
    await server.announce(*events(1))
    assert await client.rest() in (b"", b":\n\n")  # it may have looked once before
    assert (await server.open()).status == 503


async def test_streams_have_the_budget_of_all_event_streams() -> None:
    async with serving(partial(EventStreams, budget=StreamBudget(2))) as server:
        assert [(await server.open()).status for _ in range(3)] == [200, 200, 429]


async def test_when_the_server_drains_they_end(server: Server) -> None:
    client = await server.open(Origin="https://app.example")
    assert client.headers["access-control-allow-origin"] == "https://app.example"
    server.drain.begin()
    await asyncio.wait_for(server.streams.close_all(), 1)
    assert await client.rest() == b":\n\n"
    assert (await server.open()).status == 503
