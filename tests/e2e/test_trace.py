"""W3C Trace Context: a valid ``traceparent`` is in the log lines about its request, any other is nowhere."""

import json
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.support.processes.server import ServerProcess
from tests.support.until import until
from tests.support.wire import Http, WebSocket

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server()


def lines_of(server: ServerProcess, request_id: str, *, at_least: int = 1) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in server.log().splitlines() if request_id in line and line.endswith("}")]
        return found if len(found) >= at_least else []

    return until(look, server.log_tail)


@pytest.mark.parametrize(
    "given", [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", f"cc-{TRACE}-{PARENT}-01-what-comes-later"]
)
def test_a_trace_is_in_the_lines_about_its_request(server: ServerProcess, given: str) -> None:
    request_id = uuid.uuid4().hex
    answer = Http(server.port).get("/nowhere", ("traceparent", given), ("X-Request-Id", request_id))
    assert answer.status == 404
    lines = lines_of(server, request_id, at_least=2)
    assert {line.get("message") for line in lines} == {"refused", None}  # the access log's has none
    assert [line["trace_id"] for line in lines] == [TRACE, TRACE]


def test_so_it_is_for_sockets(server: ServerProcess) -> None:
    request_id = uuid.uuid4().hex
    http = Http(server.port).with_headers(("traceparent", f"00-{TRACE}-{PARENT}-01"), ("X-Request-Id", request_id))
    WebSocket.open(http, "/ws/progress?scope=mine").close()
    assert [line["trace_id"] for line in lines_of(server, request_id)] == [TRACE]


@pytest.mark.parametrize(
    "given",
    [
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
        TRACE,
        'x"}',
    ],
)
def test_what_is_no_trace_is_told_to_nobody(server: ServerProcess, given: str) -> None:
    request_id = uuid.uuid4().hex
    Http(server.port).get("/nowhere", ("traceparent", given), ("X-Request-Id", request_id))
    assert all("trace_id" not in line for line in lines_of(server, request_id, at_least=2))


def test_a_trace_ends_with_its_request(server: ServerProcess) -> None:
    second, third = uuid.uuid4().hex, uuid.uuid4().hex
    with Http(server.port).connect() as connection:
        connection.send(
            connection.head_bytes("GET", "/nowhere", [("traceparent", f"00-{TRACE}-{PARENT}-01")])
            + connection.head_bytes("GET", "/nowhere", [("X-Request-Id", third)])
        )
        assert connection.receive().status == 404
        assert connection.receive().status == 404
        connection.send_head("GET", "/nowhere", [("X-Request-Id", second)])
        assert connection.receive().status == 404
    for request_id in (second, third):  # the third was there before the first was answered
        assert all("trace_id" not in line for line in lines_of(server, request_id, at_least=2))
