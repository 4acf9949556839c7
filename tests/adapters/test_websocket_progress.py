"""``/ws/progress`` over real sockets: the protocol, the limits, slow readers and the end."""

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, websocket_connect

from adapters.inbound.common.admission import Drain, StreamBudget
from adapters.inbound.websocket.base import SocketLimits, Sockets
from adapters.inbound.websocket.messages import parse_message
from adapters.inbound.websocket.outgoing import Flusher, Outgoing, text_frame
from adapters.inbound.websocket.progress import ProgressSocket
from domain.errors import InvalidRequest
from domain.events import EventType
from tests.support.builders import ALICE, BOB, LONG_NAME, an_id, renamed
from tests.support.counters import a_counter
from tests.support.progress import ByHeader, House

_TOO_MANY = {"type": "error", "code": "too_many_watched", "detail": "at most 1000 ids can be watched at once"}


class Server:
    def __init__(self, limits: SocketLimits | None, limit: str | None, budget: StreamBudget | None) -> None:
        self.house = House()
        self.drain = Drain()
        self.sockets = Sockets(self.drain, budget, limits)
        self._clients: list[WebSocketClientConnection] = []
        services = {
            "progress": self.house.progress,
            "sockets": self.sockets,
            "authenticator": ByHeader(),
            "counter": a_counter(limit, ByHeader()),
        }
        self._server = HTTPServer(Application([(r"/ws/progress/?", ProgressSocket, services)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        self.port: int = listening.getsockname()[1]
        self._server.add_sockets([listening])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/progress"

    async def connect(self, query: str = "", *, headers: Mapping[str, str] | None = None) -> WebSocketClientConnection:
        request = HTTPRequest(self.url + query, headers={"x-user": "alice", **(headers or {})})
        client = await websocket_connect(request)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.close()
        await self.sockets.close_all()
        await self.house.progress.close()
        self._server.stop()
        await self._server.close_all_connections()


@asynccontextmanager
async def serving(
    limits: SocketLimits | None = None, limit: str | None = None, budget: StreamBudget | None = None
) -> AsyncIterator[Server]:
    server = Server(limits, limit, budget)
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


async def read(client: WebSocketClientConnection, within: float = 2.0) -> dict[str, Any]:
    text = await asyncio.wait_for(client.read_message(), within)
    assert isinstance(text, str), f"closed with {client.close_code} {client.close_reason}"
    message: dict[str, Any] = json.loads(text)
    return message


async def read_close(client: WebSocketClientConnection, within: float = 5.0) -> int | None:
    """Read on to the end; the close code."""
    while await asyncio.wait_for(client.read_message(), within) is not None:
        pass
    return client.close_code


async def say(client: WebSocketClientConnection, **message: object) -> None:
    await client.write_message(json.dumps(message))


async def is_silent(client: WebSocketClientConnection) -> bool:
    """Whether nothing more came before the answer to a ping."""
    await say(client, action="ping")
    return await read(client) == {"type": "pong"}


class RawClient:
    """A WebSocket client that reads when it is told to, and sends what it likes."""

    def __init__(self, server: Server, *, receive_buffer: int | None = None) -> None:
        self._server = server
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setblocking(False)
        self._data = b""

    async def connect(self, query: str = "") -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self._server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /ws/progress{query} HTTP/1.1\r\nHost: 127.0.0.1:{self._server.port}\r\nx-user: alice\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        await loop.sock_sendall(self.socket, request.encode())
        while b"\r\n\r\n" not in self._data:
            await self._receive()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        assert b" 101 " in head
        assert b"sec-websocket-extensions" not in head.lower(), "compression was agreed on"

    async def send(self, opcode: int, payload: bytes, *, announced: int | None = None, flags: int = 0x80) -> None:
        size = len(payload) if announced is None else announced
        if size < 126:
            head = struct.pack("!BB", flags | opcode, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", flags | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", flags | opcode, 0x80 | 127, size)
        await asyncio.get_running_loop().sock_sendall(self.socket, head + b"\0\0\0\0" + payload)

    async def frame(self, within: float = 3.0) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        async with asyncio.timeout(within):
            while True:
                if (found := self._parse()) is not None:
                    return found
                await self._receive()

    async def close_code(self) -> int | None:
        """Read on to the end; None if the connection just broke."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == 8:
                    return int(struct.unpack("!H", payload[:2])[0])
        except (ConnectionError, EOFError):
            return None

    def close(self) -> None:
        self.socket.close()

    def _parse(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size == 126:
            if len(data) < 4:
                return None
            size, at = struct.unpack("!H", data[2:4])[0], 4
        if len(data) < at + size:
            return None
        self._data = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]

    async def _receive(self) -> None:
        received = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        if not received:
            raise EOFError
        self._data += received


class TestSubscribing:
    async def test_a_snapshot_then_events_by_query(self, server: Server) -> None:
        first, second = await server.house.begin(ALICE), await server.house.begin(ALICE)
        client = await server.connect(f"?upload_id={first.id}&upload_id={second.id}")
        snapshots = [await read(client), await read(client)]
        assert [(shown["type"], shown["upload_id"]) for shown in snapshots] == [
            ("upload.snapshot", first.id),
            ("upload.snapshot", second.id),
        ]
        server.house.receive(first, 500)
        event = await read(client)
        assert (event["type"], event["upload_id"], event["offset"]) == ("upload.progress", first.id, 500)

    async def test_by_message_and_no_more_after_unsubscribing(self, server: Server) -> None:
        upload, client = await server.house.begin(ALICE), await server.connect()
        await say(client, action="subscribe", upload_ids=[upload.id])
        assert (await read(client))["type"] == "upload.snapshot"
        await say(client, action="unsubscribe", upload_ids=[upload.id])
        assert await is_silent(client)
        server.house.receive(upload, 500)
        assert await is_silent(client)

    async def test_scope_mine_has_later_uploads_too(self, server: Server) -> None:
        old, client = await server.house.begin(ALICE), await server.connect()
        await say(client, action="subscribe", scope="mine")
        assert (await read(client))["upload_id"] == old.id
        await server.house.begin(BOB)
        new = await server.house.begin(ALICE)
        event = await read(client)
        assert (event["type"], event["upload_id"]) == ("upload.created", new.id)
        await say(client, action="unsubscribe", scope="mine")
        assert await is_silent(client)
        server.house.receive(old, 500)
        assert await is_silent(client)

    async def test_foreign_and_unknown_are_answered_the_same(self, server: Server) -> None:
        foreign, unknown = await server.house.begin(BOB), an_id()
        client = await server.connect(f"?upload_id={foreign.id}&upload_id={unknown}")
        for id_ in (foreign.id, unknown):
            assert await read(client) == {"type": "error", "code": "not_found", "upload_id": id_}
        server.house.receive(foreign, 500)
        assert await is_silent(client)

    async def test_a_page_watches_its_own_form_post(self, server: Server) -> None:
        watch_id = an_id()
        client = await server.connect(f"?upload_id={watch_id}")
        assert (await read(client))["type"] == "error"
        upload = await server.house.begin(ALICE, watch_id=watch_id)
        assert (await read(client))["type"] == "upload.created"
        server.house.end(upload)
        assert (await read(client))["type"] == "upload.completed"

    async def test_at_most_ten_a_second_and_the_last_arrives(self, server: Server) -> None:
        upload = await server.house.begin(ALICE, length=10**6)
        client = await server.connect(f"?upload_id={upload.id}")
        await read(client)
        times, offset = [], 0

        async def push() -> None:
            for up_to in range(1000, 201_000, 1000):
                server.house.receive(upload, up_to)
                await asyncio.sleep(0.01)

        pushing = asyncio.create_task(push())
        while offset < 200_000:
            offset = (await read(client))["offset"]
            times.append(asyncio.get_running_loop().time())
        await pushing
        busiest = max(sum(1 for other in times if 0 <= other - time <= 1) for time in times)
        assert busiest <= 10
        assert len(times) >= 8

    async def test_many_uploads_at_once_are_no_reason_to_close(self, server: Server) -> None:
        uploads = [await server.house.begin(ALICE) for _ in range(1000)]
        client = await server.connect("?scope=mine")
        shown = {(await read(client))["upload_id"] for _ in uploads}
        assert shown == {upload.id for upload in uploads}
        assert await is_silent(client)


class TestMessages:
    async def test_a_ping_is_answered(self, server: Server) -> None:
        client = await server.connect()
        await say(client, action="ping")
        assert await read(client) == {"type": "pong"}

    @pytest.mark.parametrize(
        "junk",
        [
            "",
            "{",
            "null",
            "[]",
            '"ping"',
            "{}",
            '{"action":"dance"}',
            '{"action":["ping"]}',
            '{"action":"subscribe"}',
            '{"action":"subscribe","upload_ids":"abc"}',
            '{"action":"subscribe","upload_ids":[1]}',
            '{"action":"subscribe","upload_ids":[""]}',
            '{"action":"subscribe","upload_ids":["' + "x" * 129 + '"]}',
            '{"action":"subscribe","scope":"everyone"}',
            "[" * 5000,
            b"\x00\xff",
            b'{"action":"ping"}',
        ],
    )
    async def test_junk_is_answered_and_the_socket_stays(self, server: Server, junk: str | bytes) -> None:
        client = await server.connect()
        await client.write_message(junk, binary=isinstance(junk, bytes))
        error = await read(client)
        assert (error["type"], error["code"]) == ("error", "invalid_request") and error["detail"]
        assert await is_silent(client)

    async def test_too_many_ids_are_refused_and_the_socket_stays(self, server: Server) -> None:
        client = await server.connect()
        for batch in range(4):
            ids = [f"{batch}-{number}" for number in range(300)]
            await say(client, action="subscribe", upload_ids=ids)
            answers = [await read(client) for _ in range(300 if batch < 3 else 1)]
        assert answers == [_TOO_MANY]
        assert await is_silent(client)

    async def test_a_database_that_is_away_is_told(self, server: Server) -> None:
        server.house.is_away = True
        client = await server.connect(f"?upload_id={an_id()}")
        error = await read(client)
        assert (error["type"], error["code"]) == ("error", "repository_unavailable")
        assert await is_silent(client)

    def test_what_is_wrong_is_said(self) -> None:
        for text, words in (
            ('{"action":"subscribe","upload_ids":"abc"}', "upload_ids is not valid: input should be a valid array"),
            ('{"action":"subscribe"}', "upload_ids or scope is needed"),
            ('{"action":"dance"}', "action has to be subscribe, unsubscribe or ping"),
        ):
            with pytest.raises(InvalidRequest, match=words):
                parse_message(text)

    def test_an_unknown_member_is_no_reason_to_refuse(self) -> None:
        assert parse_message('{"action":"ping","version":2}').action == "ping"

    async def test_a_thousand_ids_of_any_length_fit_into_one_message_and_one_more_is_refused(
        self, server: Server
    ) -> None:
        ids = [f"{number:064}" for number in range(1000)]
        upload, client = await server.house.begin(ALICE, watch_id=ids[-1]), await server.connect()
        await say(client, action="subscribe", upload_ids=[*ids, "x"])
        assert await read(client) == _TOO_MANY
        await say(client, action="subscribe", upload_ids=[*ids, *ids[:100]])
        answers = [await read(client) for _ in ids]
        assert sum(answer["type"] == "error" for answer in answers) == 999
        assert {answer["upload_id"] for answer in answers} == set(ids)
        server.house.receive(upload, 500)
        assert (await read(client))["offset"] == 500


class TestWhoMayOpen:
    async def status(self, server: Server) -> int:
        try:
            client = await server.connect()
        except HTTPClientError as error:
            return error.code
        client.close()
        return 101

    async def test_nobody_is_refused_before_the_upgrade(self, server: Server) -> None:
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(server.url)
        assert refused.value.code == 401
        assert refused.value.response
        problem = json.loads(refused.value.response.body)
        assert (problem["code"], problem["status"]) == ("unauthenticated", 401)
        assert refused.value.response.headers["Content-Type"] == "application/problem+json"
        assert refused.value.response.headers["WWW-Authenticate"] == "X-User-Id"

    async def test_a_plain_request_is_told_to_upgrade(self, server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /ws/progress HTTP/1.1\r\nHost: x\r\nx-user: alice\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 2)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 426 ")
        assert b"\r\nUpgrade: websocket\r\n" in answer
        assert len(server.sockets) == 0

    @pytest.mark.parametrize(
        "query", ["?upload_id=%ff", "?scope=%ff", "?" + "&".join(f"upload_id={number}" for number in range(1001))]
    )
    async def test_a_query_that_cannot_be_read_is_refused(self, server: Server, query: str) -> None:
        with pytest.raises(HTTPClientError, match="400"):
            await server.connect(query)
        assert len(server.sockets) == 0

    async def test_another_method_is_refused(self, server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /ws/progress HTTP/1.1\r\nHost: x\r\nx-user: alice\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nContent-Length: 0\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 2)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"application/problem+json" in answer
        assert len(server.sockets) == 0

    async def test_a_broken_handshake_takes_no_place(self, server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /ws/progress HTTP/1.1\r\nHost: x\r\nx-user: alice\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert len(server.sockets) == 0

    @pytest.mark.parametrize("version", [b"Sec-WebSocket-Version: 99\r\n", b""])
    async def test_another_version_is_told_which_one_is_spoken(self, server: Server, version: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /ws/progress HTTP/1.1\r\nHost: x\r\nx-user: alice\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + version + b"\r\n"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 2)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 426 ") and b"Sec-Websocket-Version: 13\r\n" in answer
        assert b'"code": "upgrade_required"' in answer

    async def test_each_client_has_a_budget_of_sockets(self) -> None:
        async with serving(budget=StreamBudget(2)) as server:
            clients = [await server.connect() for _ in range(2)]
            assert await self.status(server) == 429
            clients[0].close()
            await read_close(clients[0])
            await asyncio.sleep(0.05)
            assert await self.status(server) == 101

    async def test_the_process_has_a_budget_of_sockets(self) -> None:
        async with serving(budget=StreamBudget(at_most=1)) as server:
            _client = await server.connect()
            assert await self.status(server) == 503


class TestRateLimit:
    async def test_opening_counts_as_a_request(self) -> None:
        async with serving(limit="2/minute") as server:
            for _ in range(2):
                (await server.connect()).close()
            with pytest.raises(HTTPClientError) as refused:
                await server.connect()
            assert refused.value.code == 429
            assert refused.value.response
            assert int(refused.value.response.headers["Retry-After"]) > 0


class TestAttacks:
    @pytest.mark.parametrize("size", [128 * 1024 + 1, 1 << 20, 1 << 62])
    async def test_a_giant_frame_ends_the_socket(self, server: Server, size: int) -> None:
        client = RawClient(server)
        await client.connect()
        await client.send(1, b"", announced=size)
        assert await client.close_code() in (1009, None)
        client.close()
        assert len(server.sockets) == 0

    async def test_a_giant_message_in_small_frames_ends_the_socket(self, server: Server) -> None:
        client = RawClient(server)
        await client.connect()
        await client.send(1, b"[" * 50_000, flags=0)
        await client.send(0, b"[" * 50_000, flags=0)
        await client.send(0, b"[" * 50_000, flags=0)
        assert await client.close_code() in (1009, None)
        client.close()

    async def test_a_compressed_frame_ends_the_socket(self, server: Server) -> None:
        client = RawClient(server)
        await client.connect()
        await client.send(1, b"\x00" * 10, flags=0x80 | 0x40)
        assert await client.close_code() == 1002
        client.close()

    async def test_text_that_is_none_ends_the_socket(self, server: Server) -> None:
        """RFC 6455 §8.1."""
        client = RawClient(server)
        await client.connect()
        await client.send(1, b'{"action":"\xff"}')
        assert await client.close_code() == 1007
        client.close()

    @pytest.mark.parametrize(("opcode", "payload"), [(1, b'{"action":"ping"}'), (1, b"junk"), (9, b"hi"), (10, b"")])
    async def test_a_flood_ends_the_socket(self, opcode: int, payload: bytes) -> None:
        async with serving(SocketLimits(messages_per_second=50)) as server:
            client = RawClient(server)
            await client.connect()
            for _ in range(200):
                await client.send(opcode, payload)
            assert await client.close_code() == 1008
            client.close()

    async def test_a_cut_connection_leaves_nothing_behind(self, server: Server) -> None:
        upload = await server.house.begin(ALICE)
        client = RawClient(server)
        await client.connect(f"?upload_id={upload.id}")
        await client.frame()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        server.house.receive(upload, 500)
        await asyncio.sleep(0.1)
        assert len(server.sockets) == 0
        assert server.house.progress._hub.is_idle


class TestPings:
    async def test_a_silent_client_is_closed(self) -> None:
        async with serving(SocketLimits(ping_seconds=0.1)) as server:
            client = RawClient(server)
            await client.connect()
            assert (await client.frame())[0] == 9
            assert await client.close_code() == 1013
            client.close()

    async def test_a_client_that_answers_stays(self) -> None:
        async with serving(SocketLimits(ping_seconds=0.1)) as server:
            client = await server.connect()
            await asyncio.sleep(0.6)
            assert await is_silent(client)


class TestSlowReaders:
    async def test_a_slow_reader_gets_the_newest_and_every_change(self) -> None:
        async with serving(SocketLimits(send_buffer_bytes=4096)) as server:
            upload = await server.house.begin(ALICE, length=10**6)
            renamed(upload, LONG_NAME)
            client = RawClient(server, receive_buffer=4096)
            await client.connect(f"?upload_id={upload.id}")
            await client.frame()
            for up_to in range(1000, 60_000, 1000):  # far more than the buffers hold
                server.house.receive(upload, up_to)
                await asyncio.sleep(0.13)
                if up_to == 30_000:
                    server.house.end(upload, EventType.FAILED)
                    break
            server.house.end(upload, EventType.ABORTED)
            await asyncio.sleep(0.1)
            messages: list[dict[str, Any]] = []
            while not messages or messages[-1]["type"] != "upload.aborted":
                _, payload = await client.frame()
                messages.append(json.loads(payload))
            client.close()
            offsets = [message["offset"] for message in messages]
            assert len(messages) < 28, "a backlog was kept"
            assert offsets == sorted(offsets)
            assert [message["type"] for message in messages[-3:]] == [
                *("upload.progress", "upload.failed", "upload.aborted")
            ]
            assert messages[-3]["offset"] == 30_000

    async def test_too_much_unread_closes_with_1013(self) -> None:
        async with serving(SocketLimits(send_buffer_bytes=4096, max_unread_bytes=16 * 1024)) as server:
            uploads = [await server.house.begin(ALICE) for _ in range(60)]
            client = RawClient(server, receive_buffer=4096)
            await client.connect("?scope=mine")
            for _ in uploads:
                await client.frame()
            for upload in uploads:
                renamed(upload, LONG_NAME)
                server.house.receive(upload, 500)
            await asyncio.sleep(0.1)
            assert await client.close_code() == 1013
            client.close()
            await asyncio.sleep(0.05)
            assert len(server.sockets) == 0
            assert server.house.progress._hub.is_idle

    async def test_who_reads_nothing_at_all_is_closed_with_1013(self) -> None:
        limits = SocketLimits(send_buffer_bytes=4096, max_stall_seconds=0.5)
        async with serving(limits) as server:
            upload = await server.house.begin(ALICE, length=10**6)
            renamed(upload, LONG_NAME)
            client = RawClient(server, receive_buffer=4096)
            await client.connect(f"?upload_id={upload.id}")
            await client.frame()
            for up_to in range(1000, 30_000, 1000):
                server.house.receive(upload, up_to)
                await asyncio.sleep(0.13)
            assert await client.close_code() == 1013
            client.close()

    async def test_one_slow_reader_holds_nobody_up(self) -> None:
        async with serving(SocketLimits(send_buffer_bytes=4096)) as server:
            upload = await server.house.begin(ALICE, length=10**6)
            renamed(upload, LONG_NAME)
            slow = RawClient(server, receive_buffer=4096)
            await slow.connect(f"?upload_id={upload.id}")
            quick = await server.connect(f"?upload_id={upload.id}")
            await read(quick)
            for up_to in range(1000, 25_000, 1000):
                server.house.receive(upload, up_to)
                assert (await read(quick, within=0.5))["offset"] == up_to
            slow.close()


class OtherStream(IOStream):
    """Not the plain one, as with TLS: nothing may go past it."""


class TestOutgoing:
    @pytest.fixture(params=[IOStream, OtherStream])
    async def ends(self, request: pytest.FixtureRequest) -> AsyncIterator[tuple[IOStream, socket.socket]]:
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        far.setblocking(False)
        stream = request.param(near)
        yield stream, far
        stream.close()
        far.close()

    async def test_frames_stay_whole_and_of_each_key_the_newest_comes(
        self, ends: tuple[IOStream, socket.socket]
    ) -> None:
        stream, far = ends
        outgoing = Outgoing(stream, Flusher(), max_bytes=64 * 1024, max_seconds=5, on_slow=pytest.fail)
        for number in range(2000):
            outgoing.send((f"key {number % 3}", b"<%d %s>" % (number, b"." * 500)))
        received = b""
        while b"<1999 " not in received or not received.endswith(b">"):
            received += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(far, 1000), 2)
        numbers = [int(frame.split()[0]) for frame in received.split(b"<")[1:]]
        assert numbers[-3:] == [1997, 1998, 1999]
        assert numbers == sorted(numbers)
        assert 3 < len(numbers) < 1000
        assert all(len(frame.split()[1]) == 501 for frame in received.split(b"<")[1:])
        await asyncio.wait_for(outgoing.ready(), 1)
        outgoing.send(("again", b"!"))
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(far, 10), 1) == b"!"

    async def test_what_comes_up_together_goes_out_together(self, ends: tuple[IOStream, socket.socket]) -> None:
        stream, far = ends
        outgoing = Outgoing(stream, Flusher(), max_bytes=64 * 1024, max_seconds=5, on_slow=pytest.fail)
        for frame in (b"one ", b"two ", b"three "):
            outgoing.send_soon(frame.decode(), frame)
        outgoing.send_soon("one ", b"one again ")
        outgoing.send(("answer", b"and an answer"))
        with pytest.raises(BlockingIOError):
            far.recv(100)
        await asyncio.wait_for(outgoing.ready(), 1)
        assert far.recv(100) == b"two three one again and an answer"

    async def test_what_was_due_goes_out_before_the_end(self, ends: tuple[IOStream, socket.socket]) -> None:
        stream, far = ends
        outgoing = Outgoing(stream, Flusher(), max_bytes=64 * 1024, max_seconds=5, on_slow=pytest.fail)
        outgoing.send_soon("key", b"the last word")
        outgoing.close()
        outgoing.send_soon("key", b"too late")
        await asyncio.sleep(0)
        assert far.recv(100) == b"the last word"

    async def test_a_reader_that_takes_a_little_now_and_then_is_kept(
        self, ends: tuple[IOStream, socket.socket]
    ) -> None:
        stream, far = ends
        outgoing = Outgoing(stream, Flusher(), max_bytes=64 * 1024, max_seconds=0.5, on_slow=pytest.fail)
        for number in range(60):
            for key in range(10):
                outgoing.send((str(key), b"%04d" % number * 250))
            await asyncio.sleep(0.02)
            await asyncio.get_running_loop().sock_recv(far, 2000)

    async def test_too_much_and_too_long_are_slow(self, ends: tuple[IOStream, socket.socket]) -> None:
        stream, _ = ends
        slow: list[str] = []
        outgoing = Outgoing(stream, Flusher(), max_bytes=5000, max_seconds=60, on_slow=lambda: slow.append("much"))
        for number in range(200):
            outgoing.send((str(number), b"x" * 1000))
        assert slow == ["much"]
        outgoing = Outgoing(stream, Flusher(), max_bytes=5000, max_seconds=0.1, on_slow=lambda: slow.append("long"))
        outgoing.send(("key", b"x" * 1000))
        await asyncio.wait_for(outgoing.ready(), 1)
        assert slow == ["much", "long"]

    async def test_a_closed_stream_takes_nothing_and_says_nothing(self, ends: tuple[IOStream, socket.socket]) -> None:
        stream, far = ends
        outgoing = Outgoing(stream, Flusher(), max_bytes=5000, max_seconds=60, on_slow=pytest.fail)
        far.close()
        for _ in range(3):
            outgoing.send(("key", b"x" * 1000))
            await asyncio.sleep(0.01)
        await asyncio.wait_for(outgoing.ready(), 1)


class TestFanOut:
    async def test_many_watchers_cost_one_text(self, server: Server) -> None:
        upload = await server.house.begin(ALICE)
        clients = [RawClient(server) for _ in range(300)]
        for client in clients:
            await client.connect(f"?upload_id={upload.id}")
            await client.frame()
        server.house.encoded.clear()
        server.house.receive(upload, 500)
        frames = [await client.frame() for client in clients]
        assert server.house.encoded == ["upload.progress"]
        assert len(set(frames)) == 1
        for client in clients:
            client.close()

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
    def test_a_frame_of_any_size(self, size: int) -> None:
        frame = text_frame(b"x" * size)
        head = {0: 2, 1: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
        assert len(frame) == head + size
        assert frame[0] == 0x81
        assert frame[1] == (size if head == 2 else 126 if head == 4 else 127)
        if head > 2:
            assert int.from_bytes(frame[2:head], "big") == size


class TestTheEnd:
    async def test_all_sockets_are_closed_with_1001_and_no_more_are_taken(self, server: Server) -> None:
        clients = [await server.connect() for _ in range(5)]
        server.drain.begin()
        closing = asyncio.create_task(server.sockets.close_all())
        assert [await read_close(client) for client in clients] == [1001] * 5
        await asyncio.wait_for(closing, 1)
        assert len(server.sockets) == 0
        with pytest.raises(HTTPClientError, match="503"):
            await server.connect()

    async def test_a_client_that_does_not_answer_does_not_hold_the_end_up(self, server: Server) -> None:
        client = RawClient(server)
        await client.connect()
        await asyncio.wait_for(server.sockets.close_all(), 3)
        assert await client.close_code() == 1001
        client.close()
