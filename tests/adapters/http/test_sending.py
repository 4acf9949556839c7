"""A file goes to a socket whole, however slowly it is read, in full segments, and leaves no half one behind."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tornado.iostream import StreamClosedError

from adapters.inbound.http.engine.exchange import FileSlice
from adapters.inbound.http.engine.sending import send_slice
from domain.byte_range import ByteRange
from domain.errors import StorageUnavailable
from domain.ids import BlobKey
from ports.blob_storage import Blob
from tests.support.exchanges import WebServer, serving
from tests.support.wire import Closed

BODY = os.urandom(16 * 1024 * 1024 + 7)


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's end that does not block, and its reader's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    server.setblocking(False)
    reader.setblocking(False)
    with server, reader:
        yield server, reader


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(BODY)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def is_corked(server: socket.socket) -> bool:
    return server.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK) != 0


async def test_a_slow_reader_gets_every_byte(
    connection: tuple[socket.socket, socket.socket], stored: int, executor: ThreadPoolExecutor
) -> None:
    server, reader = connection
    sending = asyncio.create_task(send_slice(FileSlice(stored, 5, len(BODY) - 5), server, executor))
    loop = asyncio.get_running_loop()
    first = await loop.sock_recv(reader, 1)
    assert is_corked(server), "each 64 KiB would leave in a segment of their own"

    received = bytearray(first)
    while len(received) < len(BODY) - 5:
        received += await loop.sock_recv(reader, 1024 * 1024)
    await sending
    assert received == BODY[5:]
    assert not is_corked(server), "the end of the file would wait for more"


async def test_a_reader_who_left_ends_it(
    connection: tuple[socket.socket, socket.socket], stored: int, executor: ThreadPoolExecutor
) -> None:
    server, reader = connection
    reader.close()
    with pytest.raises(StreamClosedError):
        await send_slice(FileSlice(stored, 0, len(BODY)), server, executor)
    assert not is_corked(server)


async def test_a_file_that_became_shorter_ends_it(
    connection: tuple[socket.socket, socket.socket], stored: int, executor: ThreadPoolExecutor
) -> None:
    server, reader = connection
    sending = asyncio.create_task(send_slice(FileSlice(stored, len(BODY) - 3, 4), server, executor))
    assert await asyncio.get_running_loop().sock_recv(reader, 100) == BODY[-3:]
    with pytest.raises(StreamClosedError):
        await sending


class BreaksOff(Blob):
    """Its storage goes away in the middle of it."""

    size = 10
    fd = None

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        yield bytes(wanted.end // 2)
        raise StorageUnavailable("the storage is away")

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        return


def test_content_whose_storage_goes_away_is_cut_and_no_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opened(_: BlobKey) -> Blob:
        return BreaksOff()

    with serving(WebServer(tmp_path / "volume")) as server:
        location = server.http.request("PUT", "/upload/a.bin", [], bytes(10)).header("Location")
        monkeypatch.setattr(server.blobs, "open", opened)
        with pytest.raises(Closed):
            server.http.get(f"{location}/content")
    # An operator is told, without a trace: ``serving`` lets no error pass.
    assert [entry["error"] for entry in server.log if entry["event"] == "reply cut short"] == ["the storage is away"]
