"""W3C Trace Context: a valid ``traceparent`` is in the log lines about its request and about what comes of it, and goes
on to receivers of webhooks; any other is nowhere."""

import json
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_webhooks import sent_to
from tests.support.processes.server import ServerProcess
from tests.support.processes.worker import WorkerProcess
from tests.support.receiver import Delivery, Receiver
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


def test_a_trace_goes_on_to_jobs_in_other_processes_and_to_receivers(start_server: StartServer) -> None:
    """One is sampled, one is not, one is none."""
    kept, other = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE[::-1]}-{PARENT}-00"
    with Receiver() as receiver:
        server = start_server(**sent_to(receiver), WORKERS_INLINE="0")
        http = Http(server.port)
        id_of = {
            given: posted(http.with_headers(("traceparent", given)), picture("jpeg"))
            for given in (kept, other, f"00-{TRACE}-{PARENT}")
        }

        def of(given: str) -> list[Delivery]:
            return [one for one in receiver.taken if id_of[given] in one.told["data"].values()]

        with WorkerProcess(server.data_dir, sent_to(receiver)) as worker:
            until(lambda: all(len(of(given)) == 4 for given in id_of), worker.log_tail, within=15)
            for given in id_of:
                expected = given if given.endswith(("-00", "-01")) else None
                assert {one.headers.get("traceparent") for one in of(given)} == {expected}
                for one in of(given):
                    one.verify()
            jobs = until(lambda: _jobs(worker, 15), worker.log_tail)
    for trace_id, count in ((TRACE, 5), (TRACE[::-1], 5), (None, 5)):
        assert [line.get("trace_id") for line in jobs].count(trace_id) == count


def _jobs(worker: WorkerProcess, at_least: int) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in worker.log().splitlines() if line.endswith("}")]
    jobs = [line for line in lines if line["message"] == "job"]
    return jobs if len(jobs) >= at_least else []
