"""What one connection, one upload under way and one subscriber take of memory: slopes, from few of them to many.

A difference of two readings of one server says what each further one costs, without what the first one loads.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from benchmarks.load.slow_uploads import slow_uploads
from benchmarks.load.websockets import descriptor_room, idle_websockets
from benchmarks.peers.base import Server, running
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.scale import GIB, KIB
from benchmarks.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Slope:
    name: str
    kib_each: float
    few: int
    many: int


Load = Callable[[Server, int], AbstractContextManager[None]]


def slopes(workbench: Workbench, many: int) -> Iterator[Slope]:
    uploads = many // 10
    descriptor_room(2 * many)
    for name, load, most in (
        ("idle connection", _idle, many),
        ("upload under way, on a slow line", _uploading, uploads),
        ("subscriber to one upload (WebSocket)", _watching, many),
    ):
        few = most // 4
        with running(LongshorePeer(), workbench) as server:
            with load(server, few // 4):  # what is loaded at first use is there
                pass
            with load(server, few):
                before = server.process.memory().now
            time.sleep(2)
            with load(server, most):
                after = server.process.memory().now
        yield Slope(name, (after - before) / (most - few) / KIB, few, most)


@contextmanager
def _idle(server: Server, count: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert one.recv(KIB)
        time.sleep(1)
        yield


def _uploading(server: Server, count: int) -> AbstractContextManager[None]:
    return slow_uploads(server.port, "/uploads", count, seconds=6)


def _watching(server: Server, count: int) -> AbstractContextManager[None]:
    with server.connect() as connection:
        watched = PurePosixPath(server.peer.target(connection, GIB).path).name
    return idle_websockets(server.port, f"/ws/progress?upload_id={watched}", count, seconds=2)
