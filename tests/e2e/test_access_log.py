"""The access log of a real server: a line for whatever comes, and serving that does not hang on it. Contract §3."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.until import until
from tests.support.wire import Http, WebSocket

USER = str(uuid.uuid4())
FROM = "203.0.113.9"


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(AUTH_MODE="gateway", TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture
def http(server: ServerProcess) -> Http:
    return Http(server.port).with_headers(("X-User-Id", USER), ("X-Forwarded-For", FROM), ("X-Request-Id", _fresh()))


def _fresh() -> str:
    return uuid.uuid4().hex


def lines_of(server: ServerProcess, request_id: str) -> list[dict[str, Any]]:
    lines = [line for line in server.log().splitlines() if '"logger":"access"' in line and request_id in line]
    return [json.loads(line) for line in lines]


def line_of(server: ServerProcess, http: Http) -> dict[str, Any]:
    """The only one of that client's."""
    request_id = str(dict(http.headers)["X-Request-Id"])
    (line,) = until(lambda: lines_of(server, request_id), server.log_tail)
    assert line["milliseconds"] >= 0 and line["timestamp"]
    return line


def test_each_request_has_a_line_of_who_what_and_how_much(server: ServerProcess, http: Http) -> None:
    answer = http.request("PUT", "/upload/holiday.bin?credential=hidden", [], b"x" * 1000)
    line = line_of(server, http)
    assert answer.status == 201 and answer.header("X-Request-Id") == line["request_id"]
    assert (line["method"], line["path"], line["status"]) == ("PUT", "/upload/holiday.bin", 201)
    assert (line["bytes_in"], line["bytes_out"]) == (1000, len(answer.body))
    assert (line["client_address"], line["user_id"]) == (FROM, USER)
    assert "hidden" not in json.dumps(line)


def test_a_download_counts_what_was_sent(server: ServerProcess, http: Http) -> None:
    target = Tus(Http(server.port).with_headers(("X-User-Id", USER))).completed(b"x" * 300_000)
    assert http.get(f"/files/{id_of(target)}/content").status == 200
    assert line_of(server, http)["bytes_out"] == 300_000


@pytest.mark.parametrize(
    ("method", "target", "status", "path"),
    [
        ("GET", "/nowhere?signature=secret", 404, "/nowhere"),
        ("GET", "/files/x/content%3Fsignature=secret", 404, "/files/x/content"),
        ("HEAD", "/health", 200, "/health"),
        ("GET", "/ws/progress?ticket=secret", 426, "/ws/progress"),
        ("DELETE", "/files/x?signature=secret", 404, "/files/x"),
        ("GET", "/events?ticket=secret", 401, "/events"),
    ],
)
def test_whatever_is_asked_has_a_line_without_its_query(
    server: ServerProcess, http: Http, *, method: str, target: str, status: int, path: str
) -> None:
    assert http.request(method, target).status == status
    line = line_of(server, http)
    assert (line["method"], line["path"], line["status"]) == (method, path, status)
    assert "secret" not in json.dumps(line)


def test_a_head_that_is_refused_has_a_line_too(server: ServerProcess) -> None:
    request_id = _fresh()
    with Http(server.port).connect() as connection:
        connection.send(f"GET /a?token=secret HTTP/3.7\r\nX-Request-Id: {request_id}\r\n\r\n".encode())
        assert connection.receive().status == 505
    (line,) = until(lambda: lines_of(server, request_id))
    assert (line["path"], line["status"]) == ("/a", 505)


def test_a_client_that_leaves_has_a_line_that_says_so(server: ServerProcess, http: Http) -> None:
    target = Tus(http.with_headers()).created(1000)
    request_id = _fresh()
    connection = Tus(Http(server.port, (*http.headers[:2], ("X-Request-Id", request_id)))).begin_patch(
        target, 0, 1000, b"x" * 10
    )
    until(lambda: Tus(Http(server.port, http.headers[:2])).http.get("/health").status == 200)
    connection.reset()
    (line,) = until(lambda: lines_of(server, request_id))
    assert (line["bytes_in"], line["cut"]) == (10, True)


def test_a_socket_and_an_event_stream_have_one_line_at_their_end(server: ServerProcess, http: Http) -> None:
    socket = WebSocket.open(http, "/ws/progress?scope=mine")
    socket.send_json({"action": "ping"})
    assert {"type": "pong"} in (message for message in socket.messages(within=5))
    assert not lines_of(server, str(dict(http.headers)["X-Request-Id"]))
    socket.close()
    line = line_of(server, http)
    assert (line["path"], line["status"], line["user_id"]) == ("/ws/progress", 101, USER)
    assert line["bytes_in"] > 10 and line["bytes_out"] > 10

    streaming = Http(server.port, (*http.headers[:2], ("X-Request-Id", _fresh())))
    with streaming.connect() as connection:
        connection.send_head("GET", "/events?scope=mine", streaming.headers)
        assert connection.receive_head().status == 200
    line = line_of(server, streaming)
    assert (line["path"], line["status"], line["user_id"]) == ("/events", 200, USER)


def test_it_can_be_turned_off(start_server: StartServer) -> None:
    server = start_server(LOG_ACCESS="0")
    assert Http(server.port).get("/nowhere").status == 404
    server.terminate()
    assert '"access"' not in server.log()


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "full"])
def test_a_standard_output_that_takes_nothing_stops_nobody(tmp_path: Path, *, is_closed: bool) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # nothing is ever read
    to = ">&-" if is_closed else f">{fifo}"
    with ServerProcess(tmp_path, {"RATE_LIMIT": "none"}, wrapper=["sh", "-c", f'exec "$@" {to}', "sh"]) as server:
        http = Http(server.port)
        with http.connect() as connection:
            for _ in range(400):  # a pipe holds some 300 lines
                connection.send_head("GET", "/health")
                assert connection.receive().status == 200
        assert Tus(http).completed(b"x" * 1000)
        assert server.terminate() == 0
    os.close(reading)
