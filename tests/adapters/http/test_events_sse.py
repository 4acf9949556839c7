"""``/events`` over real sockets: the stream's form, coming back, slow readers and the end."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from adapters.inbound.common.admission import Drain, StreamBudget
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.progress.events import EventsHandler
from adapters.inbound.http.progress.stream import EventStreams
from domain.events import EventType
from tests.support.builders import ALICE, BOB, LONG_NAME, an_id, renamed
from tests.support.counters import a_counter
from tests.support.progress import ByHeader, House


class Server:
    def __init__(self, streams: Callable[[Drain], EventStreams], limit: str | None) -> None:
        self.house = House()
        self.drain = Drain()
        self.streams = streams(self.drain)
        services = {
            "progress": self.house.progress,
            "authenticator": ByHeader(),
            "streams": self.streams,
            "cors": Cors(["https://app.example"]),
            "counter": a_counter(limit, ByHeader()),
        }
        self._server = HTTPServer(Application([(r"/events/?", EventsHandler, services)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        self.port: int = listening.getsockname()[1]
        self._server.add_sockets([listening])
        self._clients: list[Client] = []

    async def open(self, query: str = "", *, receive_buffer: int | None = None, **headers: str) -> "Client":
        client = Client()
        self._clients.append(client)
        connecting = socket.socket()
        if receive_buffer:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, ("127.0.0.1", self.port))
        # A small limit: asyncio must not read for us what the test wants left unread.
        client.reader, client.writer = await asyncio.open_connection(sock=connecting, limit=2048)
        lines = [f"GET /events{query} HTTP/1.0", "Host: x"]  # 1.0 has no chunks around the text
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in {"x-user": "alice", **headers}.items()]
        client.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 2)
        status, *fields = head.decode().rstrip().split("\r\n")
        client.status = int(status.split()[1])
        client.headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.writer.close()
        await self.streams.close_all()
        await self.house.progress.close()
        self._server.stop()
        await self._server.close_all_connections()


@dataclass
class Event:
    type: str
    id: int | None
    data: dict[str, Any]


class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    last_id = ""

    async def piece(self, within: float = 2.0) -> bytes:
        async with asyncio.timeout(within):
            return await self.reader.readuntil(b"\n\n")

    async def event(self, within: float = 2.0) -> Event:
        while True:
            piece = await self.piece(within)
            fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n") if ": " in line)
            if "data" in fields:
                id_ = int(fields["id"]) if "id" in fields else None
                return Event(fields["event"], id_, json.loads(fields["data"]))

    async def rest(self, within: float = 3.0) -> bytes:
        async with asyncio.timeout(within):
            return await self.reader.read()


@asynccontextmanager
async def serving(
    streams: Callable[[Drain], EventStreams] = EventStreams, limit: str | None = None
) -> AsyncIterator[Server]:
    server = Server(streams, limit)
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


async def test_the_stream_tells_what_it_is(server: Server) -> None:
    upload = await server.house.begin(ALICE)
    client = await server.open(f"?upload_id={upload.id}")
    assert client.status == 200
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["cache-control"] == "no-store, no-transform"
    assert client.headers["x-accel-buffering"] == "no"
    assert await client.piece() == b"retry: 2000\n\n"


async def test_a_snapshot_then_events(server: Server) -> None:
    upload = await server.house.begin(ALICE)
    client = await server.open(f"?upload_id={upload.id}")
    snapshot = await client.event()
    assert (snapshot.type, snapshot.data["type"]) == ("upload.snapshot", "upload.snapshot")
    assert snapshot.id == snapshot.data["sequence"]
    server.house.receive(upload, 500)
    progress = await client.event()
    assert (progress.type, progress.data["offset"]) == ("upload.progress", 500)
    server.house.end(upload)
    assert (await client.event()).type == "upload.completed"


async def test_many_ids_and_a_foreign_one(server: Server) -> None:
    own, foreign, unknown = await server.house.begin(ALICE), await server.house.begin(BOB), an_id()
    client = await server.open(f"?upload_id={own.id}&upload_id={foreign.id}&upload_id={unknown}")
    assert (await client.event()).type == "upload.snapshot"
    for id_ in (foreign.id, unknown):
        refusal = await client.event()
        assert refusal == Event("error", None, {"type": "error", "code": "not_found", "upload_id": id_})


async def test_scope_mine_has_later_uploads_too(server: Server) -> None:
    client = await server.open("?scope=mine")
    await server.house.begin(BOB)
    upload = await server.house.begin(ALICE)
    event = await client.event()
    assert (event.type, event.data["upload_id"]) == ("upload.created", upload.id)


async def test_who_comes_back_gets_only_what_is_new(server: Server) -> None:
    seen, missed = await server.house.begin(ALICE), await server.house.begin(ALICE)
    query = f"?upload_id={seen.id}&upload_id={missed.id}"
    client = await server.open(query)
    last = [await client.event(), await client.event()][-1]
    client.writer.close()
    await asyncio.sleep(0.05)
    assert len(server.streams) == 0
    server.house.receive(missed, 1000)
    server.house.end(missed)
    again = await server.open(query, Last_Event_ID=str(last.id))
    event = await again.event()
    assert (event.data["upload_id"], event.data["state"]) == (missed.id, "COMPLETED")
    server.house.receive(seen, 100)
    assert (await again.event()).data["offset"] == 100


@pytest.mark.parametrize("junk", ["", "abc", "-1", "9" * 40, "1e5"])
async def test_a_junk_last_event_id_is_none(server: Server, junk: str) -> None:
    upload = await server.house.begin(ALICE)
    client = await server.open(f"?upload_id={upload.id}", Last_Event_ID=junk)
    assert (await client.event()).type == "upload.snapshot"


async def test_a_line_end_in_a_name_ends_no_line(server: Server) -> None:
    upload = await server.house.begin(ALICE)
    client = await server.open(f"?upload_id={upload.id}")
    await client.event()
    renamed(upload, "a\n\ndata: {}\r\rb\u2028c")
    server.house.receive(upload, 500)
    assert (await client.event()).data["filename"] == "adata: {}bc"


async def test_a_silent_stream_has_a_heartbeat() -> None:
    async with serving(partial(EventStreams, heartbeat_seconds=0.1)) as server:
        client = await server.open("?scope=mine")
        assert [await client.piece() for _ in range(3)] == [b"retry: 2000\n\n", b":\n\n", b":\n\n"]


@pytest.mark.parametrize("query", ["", "?upload_id", "?upload_id=", "?scope=all"])
async def test_a_wish_for_nothing_is_refused(server: Server, query: str) -> None:
    client = await server.open(query)
    assert client.status == 400
    assert json.loads(await client.rest())["code"] == "invalid_request"
    assert len(server.streams) == 0


async def test_a_wish_for_too_much_is_refused(server: Server) -> None:
    client = await server.open("?" + "&".join(f"upload_id={id_}" for id_ in range(1001)))
    assert client.status == 400


async def test_a_thousand_ids_fit(server: Server) -> None:
    ids = [str(uuid.uuid4()) for _ in range(1000)]
    upload = await server.house.begin(ALICE, watch_id=ids[7])
    client = await server.open("?" + "&".join(f"upload_id={id_}" for id_ in ids))
    told = [(await client.event()).data for _ in ids]
    assert {message["upload_id"] for message in told} == set(ids)
    assert [message["upload_id"] for message in told if message["type"] != "error"] == [upload.watch_id]


async def test_nobody_is_refused(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /events?scope=mine HTTP/1.0\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 2)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"application/problem+json" in answer


async def test_a_database_that_is_away_is_told(server: Server) -> None:
    server.house.is_away = True
    client = await server.open("?scope=mine")
    text = await client.rest()
    assert client.status == 503 or b'"repository_unavailable"' in text
    assert len(server.streams) == 0


async def test_only_listed_pages_of_another_origin_may_read(server: Server) -> None:
    listed = await server.open("?scope=mine", Origin="https://app.example")
    assert listed.headers["access-control-allow-origin"] == "https://app.example"
    foreign = await server.open("?scope=mine", Origin="https://evil.example")
    assert "access-control-allow-origin" not in foreign.headers


async def test_streams_have_a_budget() -> None:
    async with serving(partial(EventStreams, budget=StreamBudget(2))) as server:
        statuses = [(await server.open("?scope=mine")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
    async with serving(partial(EventStreams, budget=StreamBudget(at_most=1))) as server:
        statuses = [(await server.open("?scope=mine")).status for _ in range(2)]
        assert statuses == [200, 503]


async def test_opening_counts_as_a_request() -> None:
    async with serving(limit="2/minute") as server:
        statuses = [(await server.open("?scope=mine")).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_over_http_1_1_the_text_comes_in_chunks(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /events?scope=mine HTTP/1.1\r\nHost: x\r\nx-user: alice\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in head
    assert await asyncio.wait_for(reader.readuntil(b"2000\n\n\r\n"), 2) == b"d\r\nretry: 2000\n\n\r\n"
    await server.house.begin(ALICE)
    assert b"event: upload.created\n" in await asyncio.wait_for(reader.readuntil(b"\n\n\r\n"), 2)
    writer.close()


async def test_many_uploads_at_once_are_no_reason_to_close(server: Server) -> None:
    uploads = [await server.house.begin(ALICE) for _ in range(1000)]
    client = await server.open("?scope=mine")
    shown = {(await client.event()).data["upload_id"] for _ in uploads}
    assert shown == {upload.id for upload in uploads}


async def test_a_slow_reader_gets_the_newest_and_every_change(server: Server) -> None:
    upload = await server.house.begin(ALICE, length=10**6)
    client = await server.open(f"?upload_id={upload.id}", receive_buffer=2048)
    await client.event()
    renamed(upload, LONG_NAME)
    for up_to in range(1000, 21_000, 1000):
        server.house.receive(upload, up_to)
        await asyncio.sleep(0.13)
    server.house.end(upload, EventType.ABORTED)
    events = [await client.event()]
    while events[-1].type != "upload.aborted":
        events.append(await client.event())
    ids = [event.id for event in events if event.id is not None]
    assert ids == sorted(set(ids))
    assert [event.data["offset"] for event in events[-2:]] == [20_000, 20_000]


async def test_too_much_unread_ends_the_stream(server: Server) -> None:
    uploads = [await server.house.begin(ALICE) for _ in range(200)]
    client = await server.open("?scope=mine", receive_buffer=2048)
    for _ in uploads:
        await client.event()
    for upload in uploads:
        renamed(upload, LONG_NAME)
    for up_to in (500, 700, 900):
        for upload in uploads:
            server.house.receive(upload, up_to)
        await asyncio.sleep(0.2)
    assert len(server.streams) == 0
    assert server.house.progress._hub.is_idle


async def test_a_cut_connection_leaves_nothing_behind(server: Server) -> None:
    upload = await server.house.begin(ALICE)
    client = await server.open(f"?upload_id={upload.id}")
    await client.event()
    client.writer.transport.abort()
    server.house.receive(upload, 500)
    await asyncio.sleep(0.1)
    assert len(server.streams) == 0
    assert server.house.progress._hub.is_idle


async def test_when_the_server_drains_all_streams_end_and_no_more_are_taken(server: Server) -> None:
    clients = [await server.open("?scope=mine") for _ in range(3)]
    server.drain.begin()
    await asyncio.wait_for(server.streams.close_all(), 1)
    for client in clients:
        assert await client.rest() == b"retry: 2000\n\n"
    assert (await server.open("?scope=mine")).status == 503
