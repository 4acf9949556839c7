"""Who takes nothing of its replies is let go, whatever they are; who is only slow gets them all."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchanges import TUS, WebServer, patch_head, serving
from tests.support.until import becomes
from tests.support.wire import Connection

KIB, MIB = 1024, 1024 * 1024
PATIENCE = 0.4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Its sockets hold little, and it is impatient."""
    web = WebServer(tmp_path_factory.mktemp("volume"))
    web.receive_buffer = web.send_buffer = 16 * KIB
    with serving(web) as server:
        server.call(lambda: setattr(server.connections.readers, "patience_seconds", PATIENCE))
        yield server


@pytest.fixture(scope="module")
def file(server: WebServer) -> str:
    """The path of 8 MiB to fetch."""
    content = server.http.request("PUT", "/upload/large.bin", [], bytes(8 * MIB))
    assert content.status == 201
    return (content.header("Location") or "") + "/content"


@pytest.fixture
def wire(server: WebServer) -> Iterator[Connection]:
    with Connection(server.port) as connection:
        connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KIB)
        yield connection


def keep_sending(wire: Connection, request: bytes) -> threading.Thread:
    def work() -> None:
        try:
            while True:
                wire.send(request * 20)
        except OSError:
            return

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def is_let_go(wire: Connection, *, within: float) -> bool:
    """Whether the server has ended the connection; nothing is read."""
    poll = select.poll()
    poll.register(wire._socket, 0)
    return bool(poll.poll(within * 1000))


@pytest.mark.parametrize("kind", ["health", "refusals", "unknown", "chunks", "downloads", "heads"])
def test_requests_sent_ahead_whose_replies_nobody_reads_end_the_connection(
    server: WebServer, wire: Connection, file: str, kind: str
) -> None:
    upload = server.begin(1000)
    requests = {
        "health": wire.head_bytes("GET", "/health"),
        "refusals": wire.head_bytes("GET", "/files/" + "0" * 32),
        "unknown": wire.head_bytes("GET", "/nowhere"),
        "chunks": patch_head(server, upload, 5, at=7) + b"hello",  # refused one by one, on a kept connection
        "downloads": wire.head_bytes("GET", file),
        "heads": wire.head_bytes("HEAD", upload, TUS),
    }
    sending = keep_sending(wire, requests[kind])
    assert is_let_go(wire, within=PATIENCE + 4)
    sending.join(5)
    assert not sending.is_alive()
    assert becomes(lambda: not server.call(lambda: len(server.connections.running)))


def test_a_download_that_nobody_reads_is_ended_and_its_file_closed(
    server: WebServer, wire: Connection, file: str
) -> None:
    wire.send_head("GET", file)
    begun = time.monotonic()
    assert is_let_go(wire, within=PATIENCE + 4)
    assert time.monotonic() - begun >= PATIENCE
    assert becomes(lambda: not server.call(lambda: len(server.connections.running)))


def test_a_slow_reader_gets_it_all(server: WebServer, wire: Connection, file: str) -> None:
    """It takes five times as long as the server's patience."""
    wire.send_head("GET", file, [("Range", f"bytes=0-{400 * KIB - 1}")])
    answer = wire.receive_head()
    assert answer.status == 206
    for _ in range(20):
        assert wire.take(20 * KIB) == bytes(20 * KIB)
        time.sleep(PATIENCE / 4)


def test_a_client_that_waits_for_a_late_reply_is_no_idle_reader(server: WebServer, wire: Connection) -> None:
    """Nothing is under way to it."""
    wire.send_head("GET", "/health")
    assert wire.receive().status == 200
    assert not is_let_go(wire, within=PATIENCE * 2)
    wire.send_head("GET", "/health")
    assert wire.receive().status == 200


def test_many_idle_readers_are_let_go_side_by_side(server: WebServer, file: str, tmp_path: Path) -> None:
    readers = [Connection(server.port) for _ in range(30)]
    for reader in readers:
        reader._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KIB)
        reader.send_head("GET", file)
    try:
        assert all(is_let_go(reader, within=PATIENCE + 4) for reader in readers)
        assert server.http.get("/health").status == 200
    finally:
        for reader in readers:
            reader.close()
