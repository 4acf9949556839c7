"""Spans of a real server and a worker apart, at a collector that reads them by OpenTelemetry's own schema."""

import json
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_trace import PARENT
from tests.e2e.test_webhooks import sent_to, uploaded
from tests.e2e.tus import Tus
from tests.support.collector import Collector, Told
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.processes.worker import WorkerProcess
from tests.support.receiver import Receiver
from tests.support.until import until
from tests.support.wire import Http, WebSocket

SECRET = "a-word-that-nobody-else-may-see"


@dataclass
class Site:
    http: Http
    server: ServerProcess
    receiver: Receiver
    collector: Collector

    def traced(self, flags: str = "01") -> tuple[Http, str]:
        """Whose requests belong to a trace of their own, and its id."""
        trace_id = uuid.uuid4().hex
        return self.http.with_headers(("traceparent", f"00-{trace_id}-{PARENT}-{flags}")), trace_id

    def spans(self, trace_id: str, count: int, kind: str = "") -> list[Told]:
        return until(
            lambda: found if len(found := list(self.collector.spans(kind, trace_id))) >= count else [],
            lambda: f"{self.collector.spans()}\n{self.server.log_tail()}",
        )


@pytest.fixture(scope="module")
def site(start_module_server: StartServer) -> Iterator[Site]:
    with Collector() as collector, Receiver() as receiver:
        env = {**sent_to(receiver), **collector.settings}
        env["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=tests"
        env["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
        server = start_module_server(**env)
        yield Site(Http(server.port), server, receiver, collector)


def test_a_request_is_a_span_of_its_trace_in_the_words_of_the_conventions(site: Site) -> None:
    http, trace_id = site.traced()
    target = Tus(http).created(5)
    assert Tus(http).patch(target, 0, b"hello").status == 204
    created, patched = site.spans(trace_id, 2, "server")
    assert (created.name, patched.name) == ("POST /uploads", "PATCH /uploads/{id}")
    assert patched.attributes == {
        "http.request.method": "PATCH",
        "http.route": "/uploads/{id}",
        "url.path": target,
        "http.response.status_code": 204,
        "http.request.body.size": 5,
        "http.response.body.size": 0,
        "client.address": "127.0.0.1",
    }
    assert patched.parent_id == created.parent_id == PARENT and not patched.has_failed
    assert 0 < patched.nanoseconds < 10**10
    assert patched.resource["service.name"] == "longshore"
    assert patched.resource["deployment.environment.name"] == "tests"
    assert site.collector.paths == {"/v1/traces"}


def test_what_is_not_sampled_is_not_told_and_goes_on_so(site: Site) -> None:
    http, trace_id = site.traced("00")
    file_id = uploaded(http)
    sampled, other_id = site.traced()
    until(lambda: len([one for one in site.receiver.taken if file_id in one.told["data"].values()]) == 2)
    assert sampled.get("/nowhere").status == 404
    [told] = site.spans(other_id, 1)
    assert (told.name, told.has_failed) == ("GET", False) and "http.route" not in told.attributes
    assert site.collector.spans(trace_id=trace_id) == []
    sent = {one.headers["traceparent"] for one in site.receiver.taken if file_id in one.told["data"].values()}
    assert {value.rpartition("-")[2] for value in sent} == {"00"} and all(trace_id in value for value in sent)


def test_without_a_trace_of_the_clients_one_begins_that_leads_to_the_log(site: Site) -> None:
    request_id = uuid.uuid4().hex
    assert site.http.get("/nowhere", ("X-Request-Id", request_id)).status == 404
    lines = until(lambda: [json.loads(line) for line in site.server.log().splitlines() if request_id in line][1:])
    trace_id = lines[0]["trace_id"]
    [told] = site.spans(trace_id, 1)
    assert told.parent_id == "" and told.attributes["http.response.status_code"] == 404


def test_a_socket_is_a_span_at_its_end(site: Site) -> None:
    http, trace_id = site.traced()
    WebSocket.open(http, "/ws/progress?scope=mine").close()
    [told] = site.spans(trace_id, 1)
    assert (told.name, told.attributes["http.response.status_code"]) == ("GET /ws/progress", 101)


def test_no_secret_is_in_a_span(site: Site) -> None:
    http, trace_id = site.traced()
    uploaded(http.with_headers(("Authorization", f"Bearer {SECRET}"), ("Cookie", f"a={SECRET}")))
    http.get(f"/files/{uuid.uuid4().hex}?credential={SECRET}&signature={SECRET}")
    http.get(f"/nowhere%3Fticket={SECRET}")
    spans = site.spans(trace_id, 7)
    assert sorted(one.kind for one in spans) == ["client", "client", "consumer", "consumer", *["server"] * 3]
    for word in (SECRET, "/hook", "whsec_"):
        assert not [body for body in site.collector.raw if word.encode() in body]


def test_what_comes_of_a_request_is_told_in_one_trace_and_all_of_it_at_the_end(start_server: StartServer) -> None:
    """Nothing is sent before both processes are told to stop."""
    with Collector() as collector, Receiver() as receiver:
        env = {**sent_to(receiver), **collector.settings, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        env["WEBHOOK_EVENTS"] = "image.done"
        server = start_server(**env, WORKERS_INLINE="0")
        trace_id = uuid.uuid4().hex
        http = Http(server.port).with_headers(("traceparent", f"00-{trace_id}-{PARENT}-01"))
        with WorkerProcess(server.data_dir, env) as worker:
            posted(http, picture("jpeg"))
            until(lambda: worker.log().count('"message": "job"') == 2, worker.log_tail)
            assert collector.spans() == []
            worker.signal(signal.SIGTERM)
            assert (worker.wait(10), server.terminate()) == (0, 0)
        assert "Traceback" not in worker.log() + server.log()
        spans = {one.name: one for one in collector.spans(trace_id=trace_id)}
        assert {name: one.kind for name, one in spans.items()} == {
            "POST /images": "server",
            "job thumbnails": "consumer",
            "job webhook": "consumer",
            "POST": "client",
        }
        request, drawn = next(one for one in spans.values() if one.kind == "server"), spans["job thumbnails"]
        delivered, sent = spans["job webhook"], spans["POST"]
        causes = [one.parent_id for one in (request, drawn, delivered, sent)]
        assert causes == [PARENT, request.span_id, drawn.span_id, delivered.span_id]
        assert receiver.taken[0].headers["traceparent"] == f"00-{trace_id}-{sent.span_id}-01"
        assert sent.attributes == {
            "http.request.method": "POST",
            "http.response.status_code": 204,
            "server.address": "127.0.0.1",
            "server.port": receiver.port,
        }
        assert drawn.attributes["longshore.job.outcome"] == "done"


def test_an_endpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = run_verb("serve", data_dir=tmp_path, env={"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317"})
    assert refused.returncode == 2
    assert "such as http://localhost:4318" in refused.stderr
