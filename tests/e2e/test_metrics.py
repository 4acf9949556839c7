"""``/metrics`` of a real server: what it counts, that Prometheus can read it, and who may."""

import math
import re
import signal
import uuid

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_owners import ANNA, GATEWAY, as_user
from tests.e2e.tus import Tus
from tests.support.ports import free_port
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.processes.worker import WorkerProcess
from tests.support.until import until
from tests.support.wire import Header, Http, WebSocket

USER: Header = ("X-User-Id", str(uuid.uuid4()))
ADMIN: tuple[Header, ...] = (USER, ("X-User-Scope", "admin"))
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
# Prometheus's own checks (promtool check metrics): units are base units, and stand at the end.
_NOT_BASE = re.compile(
    "milli|micro|nano|minute|hour|day|kilo|mega|giga|kibi|mebi|gibi|percent|_(ms|us|kb|mb|gb|kib|mib)(_|$)"
)


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(AUTH_MODE="gateway", TRUSTED_PROXIES="127.0.0.1")


def text_of(server: ServerProcess) -> str:
    return told_at(Http(server.port).with_headers(*ADMIN))


def told_at(http: Http) -> str:
    answer = http.get("/metrics")
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return answer.body.decode()


def series_of(server: ServerProcess) -> Series:
    return series_in(text_of(server))


def series_in(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(series: Series, name: str, **labels: str) -> float:
    return series.get((name, frozenset(labels.items())), 0)


def test_it_counts_what_happens(server: ServerProcess) -> None:
    http = Http(server.port).with_headers(USER)
    before = series_of(server)
    target = Tus(http).created(2000)
    assert Tus(http).patch(target, 0, b"x" * 1500).status == 204
    assert http.request("PUT", "/upload/a.bin", [], b"y" * 300).status == 201
    assert http.get("/nowhere/to/be/found").status == 404
    assert http.request("BREW", "/nowhere").status == 404
    with http.connect() as watching:
        watching.send_head("GET", "/events?scope=mine", http.headers)
        assert watching.receive_head().status == 200
        socket = WebSocket.open(http, "/ws/progress?scope=mine")
        after = series_of(server)
        socket.close()

    def more(name: str, **labels: str) -> float:
        return one(after, name, **labels) - one(before, name, **labels)

    assert more("longshore_received_bytes_total") == 1800
    assert more("longshore_chunk_duration_seconds_count") == 2
    assert more("longshore_http_requests_total", method="POST", route="/uploads", status="2xx") == 1
    assert more("longshore_http_requests_total", method="PATCH", route="/uploads/{id}", status="2xx") == 1
    assert more("longshore_http_requests_total", method="PUT", route="/upload/{name}", status="2xx") == 1
    assert more("longshore_http_requests_total", method="GET", route="other", status="4xx") == 1
    assert more("longshore_http_requests_total", method="other", route="other", status="4xx") == 1
    assert more("longshore_http_request_body_bytes_total") == 1800
    assert more("longshore_subscribers", transport="websocket") == more("longshore_subscribers", transport="sse") == 1
    assert one(after, "longshore_service_up", service="database") == 1
    assert one(after, "longshore_storage_room_bytes") > 0
    assert one(after, "process_resident_memory_bytes") > 10**7


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
def test_who_breaks_off_is_no_error_of_the_server(server: ServerProcess, *, is_reset: bool) -> None:
    def counted() -> dict[str, float]:
        now = series_of(server)
        about = {"method": "PUT", "route": "/upload/{name}"}
        return {name: one(now, "longshore_http_requests_total", status=name, **about) for name in ("cut", "5xx")}

    before = counted()
    with Http(server.port).connect() as connection:
        connection.send_head("PUT", "/upload/a.bin", [USER, ("Content-Length", "1000")])
        connection.send(b"x" * 10)
        if is_reset:
            connection.reset()
    until(lambda: counted()["cut"] == before["cut"] + 1)
    assert counted()["5xx"] == before["5xx"]


def test_what_the_database_has_is_told_a_few_seconds_later_at_most(server: ServerProcess) -> None:
    http = Http(server.port).with_headers(USER)
    before = series_of(server)
    Tus(http).created(2000)
    assert http.request("PUT", "/upload/a.bin", [], b"y" * 77).status == 201

    def is_told() -> bool:
        now = series_of(server)
        files = one(now, "longshore_files") - one(before, "longshore_files")
        pending = one(now, "longshore_uploads", state="PENDING") - one(before, "longshore_uploads", state="PENDING")
        held = one(now, "longshore_files_bytes") - one(before, "longshore_files_bytes")
        return files >= 1 and pending >= 1 and held >= 77

    until(is_told, within=10, every=0.5)


def test_it_reads_as_prometheus_wants_it(server: ServerProcess) -> None:
    text = text_of(server)
    families = list(text_string_to_metric_families(text))
    assert len(families) > 15
    names = re.findall(r"^# TYPE (\S+) \S+$", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert re.findall(r"^# HELP (\S+) \S.*\.$", text, re.MULTILINE) == names
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        assert re.fullmatch(r"(longshore|process)_[a-z0-9_]+", name), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert not _NOT_BASE.search(name), name
        assert kind in ("counter", "gauge", "histogram")
    for family in families:
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(series) == len(set(series)), family.name
        for sample in family.samples:
            assert not math.isnan(sample.value)
            assert not any(re.search(r"[0-9a-f]{24}", value) for value in sample.labels.values()), sample


def test_the_buckets_of_a_histogram_only_grow_up_to_its_count(server: ServerProcess) -> None:
    for family in text_string_to_metric_families(text_of(server)):
        if family.type != "histogram":
            continue
        last: dict[frozenset[tuple[str, str]], float] = {}
        counts: dict[frozenset[tuple[str, str]], float] = {}
        for sample in family.samples:
            labels = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
            if sample.name.endswith("_bucket"):
                assert sample.value >= last.get(labels, 0)
                last[labels] = sample.value
            elif sample.name.endswith("_count"):
                counts[labels] = sample.value
        assert counts == last


@pytest.mark.parametrize(
    ("headers", "status"), [((), 401), ((USER,), 403), (ADMIN, 200)], ids=["nobody", "user", "administrator"]
)
def test_only_administrators_may_read_it_where_there_are_users(
    server: ServerProcess, headers: tuple[Header, ...], status: int
) -> None:
    assert Http(server.port).with_headers(*headers).get("/metrics").status == status


def test_a_network_may_be_let_in_but_nobody_behind_a_proxy_there(start_server: StartServer) -> None:
    server = start_server(AUTH_MODE="jwt", AUTH_JWT_SECRET=uuid.uuid4().hex * 2, METRICS_NETWORKS="127.0.0.0/8")
    http = Http(server.port)
    assert http.get("/metrics").status == 200
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert http.get("/metrics", (name, "127.0.0.1")).status == 401


def test_a_worker_apart_tells_of_its_jobs_on_a_port_of_its_own(start_server: StartServer) -> None:
    server, port = start_server(**GATEWAY, WORKERS_INLINE="0"), free_port()
    env = {**GATEWAY, "WORKER_METRICS_PORT": str(port), "METRICS_NETWORKS": "127.0.0.1"}
    http = Http(port)
    with WorkerProcess(server.data_dir, env) as worker:
        posted(as_user(Http(server.port), ANNA), picture("jpeg"))
        until(lambda: '"outcome": "done"' in worker.log(), worker.log_tail)
        text = told_at(http)
        told = series_in(text)
        assert one(told, "longshore_job_duration_seconds_count", kind="thumbnails", outcome="done") == 1
        assert one(told, "longshore_files") == one(told, "longshore_service_up", service="database") == 1
        assert one(told, "process_resident_memory_bytes") > 10**7
        assert not re.findall("^longshore_(?:http|chunk|received|subscribers)", text, re.MULTILINE)
        assert http.get("/metrics", ("Via", "1.1 proxy")).status == 401
        assert http.get("/health").status == http.get("/uploads").status == 404
        second = run_verb("worker", data_dir=server.data_dir, env=env)
        assert (second.returncode, second.stderr.splitlines()[-1]) == (
            1,
            f"cannot listen on 127.0.0.1:{port}: Address already in use",
        )
        worker.signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert '"logger": "access"' not in worker.log() and "Traceback" not in worker.log()
