"""A crowd that holds connections and hardly uses them is gone when its time is over, and others never notice it.

Who is cut off when, and on which route, is in tests/e2e/test_slow_clients.py, by the times that a server has.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from adapters.inbound.http.engine.keep_alive import Patience
from tests.support.exchanges import WebServer, patch_head, serving
from tests.support.until import becomes
from tests.support.wire import Connection

OF_EACH_KIND = 40
PATIENCE = 0.6
SLACK = 20.0  # for a loaded machine; an idle one is through in a second
DRIP_SECONDS = 0.05


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    patience = Patience(head_seconds=PATIENCE, linger_seconds=0.1)
    with serving(WebServer(tmp_path_factory.mktemp("volume"), patience=patience)) as server:
        server.call(lambda: setattr(server.connections.watchdog, "period_seconds", PATIENCE))
        server.call(lambda: setattr(server.connections.readers, "patience_seconds", PATIENCE))
        yield server


def slow_head(server: WebServer) -> Connection:
    connection = Connection(server.port)
    connection.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    return connection


def slow_body(server: WebServer) -> Connection:
    connection = Connection(server.port)
    connection.send(patch_head(server, server.begin(100_000), 100_000) + b"hello")
    return connection


def never_reading(server: WebServer) -> Connection:
    connection = Connection(server.port)
    connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection._socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            connection._socket.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
    return connection


@pytest.mark.parametrize("kind", [slow_head, slow_body, never_reading])
def test_a_crowd_of_slow_clients_is_gone_in_time_and_others_are_answered(server: WebServer, kind: object) -> None:
    assert callable(kind)
    with contextlib.ExitStack() as stack:
        crowd: list[Connection] = [stack.enter_context(kind(server)) for _ in range(OF_EACH_KIND)]
        over = threading.Event()
        dripping = threading.Thread(target=_drip, args=(crowd if kind is not never_reading else [], over))
        dripping.start()
        stack.callback(dripping.join)
        stack.callback(over.set)
        left = {connection._socket.fileno() for connection in crowd}
        until = time.monotonic() + PATIENCE + SLACK
        while left and time.monotonic() < until:
            assert server.http.request("GET", "/health", within=10).status == 200
            left -= _ended(left)
        assert left == set()
    assert becomes(lambda: not server.call(lambda: len(server.connections.running)))


def _drip(crowd: list[Connection], over: threading.Event) -> None:
    while not over.wait(DRIP_SECONDS):
        for connection in crowd:
            with contextlib.suppress(OSError):
                connection._socket.send(b"x")


def _ended(descriptors: set[int]) -> set[int]:
    """Of which the server wants no more."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLRDHUP)
    return {descriptor for descriptor, _ in poll.poll(10)}
