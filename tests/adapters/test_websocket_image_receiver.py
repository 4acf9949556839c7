"""``/image/upload`` over real sockets: silence, slow senders, those that go, how little is held of a message."""

import asyncio
import json
import struct
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.tcpclient import TCPClient
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, websocket_connect

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.websocket.base import Sockets
from adapters.inbound.websocket.image_receiver import ImageReceiverSocket
from adapters.outbound.memory.spool import MemorySpool, MemorySpooled
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.image_receiver import ImageReceiverUseCase
from domain.access import NOBODY
from domain.ids import OwnerId
from domain.picture import CheckedPicture
from domain.received_image import SessionLimits
from ports.blob_storage import Blob
from tests.support.counters import a_counter
from tests.support.deployment import Deployment
from tests.support.image_processor import PlainProcessor, plain_picture
from tests.support.until import wait_until

SESSION = {"user_id": str(uuid.uuid4()), "session_id": str(uuid.uuid4())}
UPLOAD = json.dumps({"action": "upload", "file_idx": 0, "file_name": "a.jpg", **SESSION})
MIB = 1024 * 1024


class Pieces(MemorySpool):
    """Notes what was open, and the largest piece that came."""

    def __init__(self) -> None:
        self.open_ones = 0
        self.largest = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Piece"]:
        self.open_ones += 1
        try:
            yield Piece(self)
        finally:
            self.open_ones -= 1


class Piece(MemorySpooled):
    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._pieces = pieces

    async def append(self, data: bytes) -> None:
        self._pieces.largest = max(self._pieces.largest, len(data))
        await super().append(data)


class Gate(PlainProcessor):
    """Takes as long as it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def check(self, picture: Blob, *, asker: OwnerId = NOBODY) -> CheckedPicture:
        self.reached.set()
        await self.opened.wait()
        return await super().check(picture, asker=asker)


class Server:
    def __init__(self, *, patience: float, processor: PlainProcessor | None = None) -> None:
        self.deployment = Deployment()
        self.spool = Pieces()
        self._clients: list[WebSocketClientConnection] = []
        process = self.deployment.process()
        receiver = ImageReceiverUseCase(
            unit_of_work=process.units,
            keeping=process.keeping,
            blobs=process.blobs,
            spool=self.spool,
            processor=processor or PlainProcessor(),
            clock=self.deployment.clock,
            ids=SystemIdGenerator(),
            limits=SessionLimits(),
        )
        self.sockets = Sockets(Drain())
        route = {
            "receiver": receiver,
            "sockets": self.sockets,
            "authenticator": Authenticator(),
            "counter": a_counter(),
            "patience_seconds": patience,
        }
        self._server = HTTPServer(Application([("/image/upload", ImageReceiverSocket, route)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        self.port: int = listening.getsockname()[1]
        self._server.add_sockets([listening])

    async def connect(self) -> WebSocketClientConnection:
        client = await websocket_connect(HTTPRequest(f"ws://127.0.0.1:{self.port}/image/upload"))
        self._clients.append(client)
        return client

    async def raw(self) -> IOStream:
        stream = await TCPClient().connect("127.0.0.1", self.port)
        await stream.write(
            b"GET /image/upload HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await stream.read_until(b"\r\n\r\n")
        return stream

    async def close(self) -> None:
        for client in self._clients:
            client.close()
        await self.sockets.close_all()
        self._server.stop()
        await self._server.close_all_connections()


Serving = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    servers: list[Server] = []

    async def serve(*, patience: float = 30.0, processor: PlainProcessor | None = None) -> Server:
        servers.append(Server(patience=patience, processor=processor))
        return servers[-1]

    yield serve
    for server in servers:
        await server.close()


async def read(client: WebSocketClientConnection) -> dict[str, Any]:
    text = await asyncio.wait_for(client.read_message(), 5)
    assert isinstance(text, str), f"closed with {client.close_code}"
    answer: dict[str, Any] = json.loads(text)
    return answer


def head(opcode: int, size: int) -> bytes:
    return struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size) + bytes(4)


@pytest.mark.parametrize("begins", [True, False])
async def test_silence_is_told_and_ends_the_socket(serving: Serving, begins: bool) -> None:
    server = await serving(patience=0.1)
    client = await server.connect()
    if begins:
        await client.write_message(UPLOAD)
        assert (await read(client))["status"] == "ready"
        await client.write_message(bytes.fromhex("ffd8ff") + bytes(100_000), binary=True)
        assert (await read(client))["status"] == "uploading"
    client.ping(b"is no message")
    assert await read(client) == {"status": "timeout", "message": "Connection timed out"}
    assert await client.read_message() is None and client.close_code == 1000
    await wait_until(lambda: not server.sockets, within=2)
    assert server.spool.open_ones == 0


async def test_who_sends_slowly_is_not_silent(serving: Serving) -> None:
    server = await serving(patience=0.2)
    stream = await server.raw()
    await stream.write(head(0x1, len(UPLOAD)) + UPLOAD.encode())
    await stream.write(head(0x2, 1000))
    for _ in range(20):
        await stream.write(b"\xff\xd8\xff" * 2)
        await asyncio.sleep(0.02)
    data = await asyncio.wait_for(stream.read_until(b"timed out"), 5)
    assert b"uploading" not in data and data.count(b"ready") == 1
    stream.close()


async def test_what_takes_us_long_is_not_the_clients_silence(serving: Serving) -> None:
    gate = Gate()
    server = await serving(patience=0.05, processor=gate)
    client = await server.connect()
    await client.write_message(UPLOAD)
    await client.write_message(plain_picture(1), binary=True)
    await client.write_message(b"EOF", binary=True)
    await asyncio.wait_for(gate.reached.wait(), 5)
    await asyncio.sleep(0.2)
    gate.opened.set()
    answers = [await read(client) for _ in range(3)]
    assert [answer["status"] for answer in answers] == ["ready", "uploading", "success"]


async def test_who_goes_while_their_picture_is_looked_at_leaves_nothing(serving: Serving) -> None:
    gate = Gate()
    server = await serving(processor=gate)
    stream = await server.raw()
    for opcode, data in ((0x1, UPLOAD.encode()), (0x2, plain_picture(1)), (0x2, b"EOF")):
        await stream.write(head(opcode, len(data)) + data)
    await asyncio.wait_for(gate.reached.wait(), 5)
    stream.close()
    await asyncio.sleep(0.05)  # nobody is told of it
    gate.opened.set()
    await wait_until(lambda: server.spool.open_ones == 0, within=2)
    database = server.deployment.database
    assert (database.files, database.uploads, database.received_images, server.deployment.memory.blobs) == (
        *({}, {}, {}, {}),
    )


async def test_of_a_large_message_little_is_held_and_it_is_refused_before_its_end(serving: Serving) -> None:
    server = await serving()
    stream = await server.raw()
    await stream.write(head(0x1, len(UPLOAD)) + UPLOAD.encode())
    await stream.write(head(0x2, 6 * MIB) + b"\xff\xd8\xff" + bytes(5 * MIB + 100_000))
    data = await asyncio.wait_for(stream.read_until(b"File size exceeded"), 5)
    assert b"ready" in data
    assert server.spool.open_ones == 0
    assert 0 < server.spool.largest <= 128 * 1024
    await stream.write(bytes(MIB - 100_003))
    await stream.write(head(0x1, len(UPLOAD)) + UPLOAD.encode())
    await asyncio.wait_for(stream.read_until(b"ready"), 5)
    stream.close()


async def test_the_end_of_a_large_message_is_no_mark(serving: Serving) -> None:
    server = await serving()
    client = await server.connect()
    await client.write_message(UPLOAD)
    await client.write_message(plain_picture(1, filling=bytes(64 * 1024 - 14)) + b"EOF", binary=True)
    assert [(await read(client))["status"] for _ in range(2)] == ["ready", "uploading"]
    await client.write_message(b"EOF", binary=True)
    assert (await read(client))["message"] == "File is corrupted"


@pytest.mark.parametrize(
    "frames",
    [
        b"\x82\x03abc",  # unmasked
        b"\x80\x80" + bytes(4),  # goes on with nothing
        b"\x02\x80" + bytes(4) + b"\x81\x80" + bytes(4),  # one message within another
        b"\x09\x80" + bytes(4),  # a ping in fragments
        b"\x89\xfe\0\x7e" + bytes(4 + 126),  # a long one
        b"\xc2\x80" + bytes(4),  # an extension that nobody has agreed to
        b"\x83\x80" + bytes(4),  # a kind that there is not
    ],
)
async def test_what_is_no_websocket_ends_the_connection(serving: Serving, frames: bytes) -> None:
    server = await serving()
    stream = await server.raw()
    await stream.write(frames)
    await asyncio.wait_for(stream.read_until_close(), 5)
    await wait_until(lambda: not server.sockets, within=2)
