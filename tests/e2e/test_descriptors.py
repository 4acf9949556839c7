"""More clients than descriptors: new connections wait for room, the log says so once, and ``/health`` is answered."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOMY
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess
from tests.support.until import becomes
from tests.support.wire import Closed, Connection, Http

DESCRIPTORS, CLIENTS = 128, 200
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    few = ("sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")
    with ServerProcess(tmp_path_factory.mktemp("few"), ROOMY, wrapper=few) as server:
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Http:
    return Http(server.port)


@contextlib.contextmanager
def clients(http: Http, request: bytes, *, count: int = CLIENTS) -> Iterator[list[Connection]]:
    """More than there is room for, each having said so much."""
    with contextlib.ExitStack() as open_:
        connections = []
        for _ in range(count):
            connection = open_.enter_context(http.connect())
            with contextlib.suppress(OSError):
                connection.send(request)
            connections.append(connection)
        yield connections


def seconds_of_work(server: ServerProcess) -> float:
    """What its process has used of the machine so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_healthy(http: Http) -> bool:
    with contextlib.suppress(OSError, TimeoutError, Closed):
        return http.request("GET", "/health", within=5).status == 200
    return False


def assert_all_is_well(server: ServerProcess, http: Http) -> None:
    """There is room again, and nothing is left of the crowd but a line or two."""
    assert becomes(lambda: is_healthy(http))
    tus = Tus(http)
    assert tus.content(tus.completed(b"after the crowd")) == b"after the crowd"
    log = server.log()
    assert log.count("descriptors run short") == 1
    assert "Traceback" not in log
    assert len(log) < 256 * 1024


@pytest.mark.parametrize(
    "request_",
    [b"", b"GET /health HTTP/1.1\r\nX-Half: ", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ids=["silent", "half a request", "idle after one"],
)
def test_clients_that_ask_for_nothing_make_room(server: ServerProcess, http: Http, request_: bytes) -> None:
    with clients(http, request_):
        assert becomes(lambda: is_healthy(http), within=10)
    assert_all_is_well(server, http)


def test_bodies_under_way_keep_their_places_and_the_door_is_quiet(server: ServerProcess, http: Http) -> None:
    tus = Tus(http)
    upload = tus.created(10)
    first = tus.begin_patch(upload, 0, 10, b"hello")
    put = b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nhello"
    with first, clients(http, put) as crowd:
        assert becomes(lambda: "descriptors run short" in server.log(), within=5)
        before, begun = seconds_of_work(server), time.monotonic()
        assert becomes(lambda: is_healthy(http), within=15)
        time.sleep(max(0, begun + 2 - time.monotonic()))
        share = (seconds_of_work(server) - before) / (time.monotonic() - begun)
        assert share < 0.5, "it is busy with nothing"
        first.send(b"world")
        assert first.receive("PATCH").status == 204
        told = [answer for connection in crowd if (answer := status_of(connection)) is not None]
        assert set(told) <= {503}, "who is sent away may come again"
    assert_all_is_well(server, http)


def test_files_for_which_no_descriptor_is_left_are_asked_for_again(server: ServerProcess, http: Http) -> None:
    """Who downloads needs two, at best three; so many are served one after the other, or sent away in time."""
    location = http.request("PUT", "/upload/large.bin", [], bytes(4 * MIB)).header("Location") or ""
    request = f"GET {location}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with clients(http, request, count=80) as crowd:
        assert becomes(lambda: is_healthy(http), within=15)
        got: list[int] = []
        readers = [threading.Thread(target=lambda wire=wire: got.append(whole(wire))) for wire in crowd]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(30)
    assert got.count(4 * MIB) >= 10
    assert set(got) <= {4 * MIB, 503, 0}
    assert_all_is_well(server, http)


def test_files_that_are_kept_open_leave_room_for_others(server: ServerProcess, http: Http) -> None:
    tus = Tus(http)
    for _ in range(DESCRIPTORS // 2):
        assert tus.patch(tus.created(10), 0, b"hello").status == 204
    assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) < DESCRIPTORS // 2
    assert_all_is_well(server, http)


def status_of(connection: Connection) -> int | None:
    """Of what has come so far."""
    if not connection.has_data(within=0):
        return None
    try:
        return connection.receive().status
    except (Closed, OSError):
        return None


def whole(connection: Connection) -> int:
    """How much came by a 200; another status; 0 for a connection that was closed without a reply."""
    try:
        answer = connection.receive()
    except (Closed, OSError):
        return 0
    return len(answer.body) if answer.status == 200 else answer.status
