"""What goes wrong has one shape; floods are bounded; a stop drains. Contract §0, §1, §2.6."""

import base64
import contextlib
import json
import os
import re
import signal
import time
from datetime import datetime

import psutil
import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import BYTES, VERSION, Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.until import until
from tests.support.wire import Closed, Header, Http, Response, WebSocket

UNKNOWN = "0123456789abcdef" * 2
TELLTALE = re.compile(
    rb"Traceback|\.py\b|site-packages|/(?:home|root|tmp|usr|var)/|sqlite|asyncpg|sqlalchemy|tornado|SELECT ",
    re.IGNORECASE,
)


# --- the shape of an error


def assert_problem(answer: Response, status: int) -> None:
    """RFC 9457, and nothing that tells of our insides."""
    assert answer.status == status, answer
    assert (answer.header("Content-Type") or "").split(";")[0] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == status
    for key in ("type", "title", "code", "request_id"):
        assert isinstance(problem[key], str) and problem[key], key
    assert re.fullmatch(r"[a-z][a-z0-9_]*", problem["code"])
    assert isinstance(problem["detail"], str)
    assert not TELLTALE.search(answer.body), answer.body


def test_every_refusal_is_a_problem(tus: Tus) -> None:
    target = tus.created(10)
    refusals = [
        (404, tus.http.get(f"/files/{UNKNOWN}")),
        (404, tus.http.get(f"/files/{UNKNOWN}/content")),
        (404, tus.http.request("DELETE", f"/files/{UNKNOWN}")),
        (404, tus.http.get(f"/uploads/{UNKNOWN}")),
        (404, tus.patch(f"/uploads/{UNKNOWN}", 0, b"x")),
        (404, tus.delete("/uploads/junk")),
        (400, tus.create("junk")),
        (400, tus.create(5, ("Upload-Metadata", "a !!!!"))),
        (412, tus.http.request("POST", "/uploads", [("Upload-Length", "5")])),
        (415, tus.http.request("PATCH", target, [VERSION, ("Upload-Offset", "0")], b"x")),
        (409, tus.patch(target, 5, b"x")),
        (413, tus.patch(target, 0, b"x" * 11)),
        (460, tus.patch(target, 0, b"x", ("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="))),
        (413, tus.create("9" * 15)),
    ]
    for status, answer in refusals:
        assert_problem(answer, status)


def test_each_refusal_has_its_own_request_id(tus: Tus) -> None:
    ids = {tus.http.get(f"/files/{UNKNOWN}").json()["request_id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_refused_head_has_no_body(tus: Tus) -> None:
    with tus.http.connect() as connection:
        connection.send_head("HEAD", f"/files/{UNKNOWN}")
        assert connection.receive("HEAD").status == 404
        connection.send_head("GET", "/health")
        assert connection.receive().status == 200  # had a body come, this would read it as an answer


@pytest.mark.parametrize(
    "target",
    [
        "/nowhere",
        "/uploads/x/y",
        "/api/v9/file",
        "/static/../../starter.py",
        "/..%2f..%2fetc/passwd",
        "/.env",
        "/.git/config",
        "//etc/passwd",
        "/%00",
        "/%ff",
        "/" + "x" * 8000,
    ],
    ids=lambda target: target[:30],
)
def test_an_unknown_address_is_a_problem_too(http: Http, target: str) -> None:
    answer = http.get(target)
    assert answer.status in ((403, 404) if "static" in target else (404,))
    assert_problem(answer, answer.status)


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PUT", "/uploads", {"POST", "OPTIONS"}),
        ("PATCH", "/uploads", {"POST", "OPTIONS"}),
        ("PUT", f"/uploads/{UNKNOWN}", {"HEAD", "PATCH", "DELETE", "GET"}),
        ("POST", f"/files/{UNKNOWN}", {"GET", "HEAD", "DELETE"}),
        ("PUT", f"/files/{UNKNOWN}/content", {"GET", "HEAD"}),
        ("POST", "/health", {"GET"}),
        ("DELETE", "/", {"GET"}),
    ],
)
def test_a_method_an_address_does_not_know_is_refused_with_those_it_knows(
    http: Http, method: str, target: str, allowed: set[str]
) -> None:
    answer = http.request(method, target, [VERSION])
    assert_problem(answer, 405)
    assert answer.words("Allow") >= {name.lower() for name in allowed}
    assert method.lower() not in answer.words("Allow")


WATCHED = ["/events", "/notifications/sse/", "/ws/progress", "/image/upload"]


@pytest.mark.parametrize("method", ["POST", "DELETE", "BREW"])
@pytest.mark.parametrize("target", WATCHED)
def test_streams_and_sockets_are_asked_for_by_get_or_head_alone(http: Http, target: str, method: str) -> None:
    answer = http.request(method, target)
    assert_problem(answer, 405)
    assert answer.words("Allow") == http.request("OPTIONS", target).words("Allow") == {"get", "head", "options"}


@pytest.mark.parametrize(("target", "status"), [("/events?scope=mine", 200), ("/events", 400), (WATCHED[1], 200)])
def test_a_head_tells_of_a_stream_and_opens_none(http: Http, target: str, status: int) -> None:
    with http.connect() as connection:
        connection.send_head("HEAD", target)
        answer = connection.receive("HEAD")
        assert answer.status == status
        assert ("event-stream" in (answer.header("Content-Type") or "")) == (status == 200)
        assert connection.drain(seconds=0.1) == b""


@pytest.mark.parametrize("target", WATCHED)
def test_an_expectation_nobody_knows_opens_nothing(http: Http, target: str) -> None:
    assert_problem(http.get(target, ("Expect", "a-miracle")), 417)


@pytest.mark.parametrize(
    ("version", "told", "status"),
    [
        ("1.1", {"Upgrade": "h2c"}, 426),
        ("1.1", {"Connection": "keep-alive"}, 426),
        ("1.0", {}, 426),
        ("1.1", {"Sec-WebSocket-Version": "12"}, 426),
        ("1.1", {"Sec-WebSocket-Key": ""}, 400),
        ("1.1", {"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
    ],
)
@pytest.mark.parametrize("target", WATCHED[2:])
def test_what_is_no_handshake_is_refused_in_words(
    http: Http, target: str, version: str, told: dict[str, str], status: int
) -> None:
    """RFC 6455 §4.2.1; RFC 9110 §7.8 of HTTP/1.0."""
    key = base64.b64encode(bytes(16)).decode()
    hands = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (hands | told).items())
    with http.connect() as connection:
        connection.send(f"GET {target} HTTP/{version}\r\nHost: localhost\r\n{lines}\r\n".encode())
        assert_problem(connection.receive(), status)


@pytest.mark.parametrize("method", ["BREW", "TRACE", "PROPFIND", "get", "__class__"])
def test_a_method_nobody_knows_is_refused(http: Http, method: str) -> None:
    answer = http.request(method, "/uploads")
    assert answer.status in (400, 405, 501)
    assert not TELLTALE.search(answer.body)


def test_a_request_id_of_the_client_is_no_way_into_the_log(http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(8).hex()
    http.get("/nowhere", ("X-Request-Id", f"{mark}\x1b[31m{'y' * 3000}"))
    answer = http.get(f"/nowhere/{mark}%0a%0d%7b%22level%22%3a%22fake%22%7d")
    assert answer.status == 404
    lines = [line for line in module_server.log().splitlines() if mark in line]
    assert all(line.startswith("{") and len(line) < 8000 for line in lines), lines
    assert "\x1b" not in module_server.log()


ALL_SORTS = ["/", "/static/css/base.css", "/nowhere", "/events", "/ws/progress", f"/uploads/{UNKNOWN}", "/health"]


@pytest.mark.parametrize("target", ALL_SORTS)
def test_every_reply_bears_the_id_of_its_request(http: Http, target: str) -> None:
    given = http.get(target, ("X-Request-Id", "my-own.id_1"))
    assert given.all("X-Request-Id") == ["my-own.id_1"]
    made_up = [http.get(target, ("X-Request-Id", harmful)) for harmful in ("", "a b", "x" * 65, "\u00e9")]
    ids = [answer.header("X-Request-Id") for answer in made_up]
    assert all(id_ and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", id_) for id_ in ids) and len(set(ids)) == len(ids)
    for answer in (given, *made_up):
        if answer.status >= 400:
            assert answer.json()["request_id"] == answer.header("X-Request-Id")


@pytest.mark.parametrize("target", ALL_SORTS)
def test_a_refusal_is_found_in_the_log_by_its_id(http: Http, module_server: ServerProcess, target: str) -> None:
    mark = os.urandom(8).hex()
    if http.get(target, ("X-Request-Id", mark)).status < 400:
        return
    lines = until(
        lambda: [json.loads(line) for line in module_server.log().splitlines() if mark in line and '"level"' in line],
        module_server.log_tail,
    )
    assert {line["request_id"] for line in lines} == {mark} and {line["level"] for line in lines} == {"info"}


def test_open_streams_of_progress_bear_the_id_too(http: Http) -> None:
    with http.connect() as connection:
        connection.send_head("GET", "/events?scope=mine", [("X-Request-Id", "of-a-stream")])
        assert b"of-a-stream" in connection.drain(seconds=0.5).split(b"\r\n\r\n")[0]
    upgrade: list[Header] = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),
    ]
    with http.connect() as connection:
        connection.send_head("GET", "/ws/progress", [*upgrade, ("X-Request-Id", "of-a-socket")])
        answer = connection.receive()
    assert (answer.status, answer.header("X-Request-Id")) == (101, "of-a-socket")


@pytest.mark.parametrize("path", ["/events", "/ws/progress"])
def test_more_ids_than_may_be_watched_at_once_are_refused_in_words(http: Http, path: str) -> None:
    upgrade: list[Header] = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),
    ]
    queries = ["scope=mine&" + "&".join(f"upload_id={id_:032x}" for id_ in range(count)) for count in (1000, 1001)]
    headers = upgrade if path == "/ws/progress" else []
    with http.connect() as connection:
        connection.send_head("GET", f"{path}?{queries[0]}", headers)
        assert connection.receive_head(within=5).status in (200, 101), "so many may be"
    refused = http.get(f"{path}?{queries[1]}", *headers)
    assert_problem(refused, 400)
    assert refused.json()["code"] == "too_many_watched"
    assert refused.header("X-Request-Id") == refused.json()["request_id"]


# --- floods


def test_a_flood_of_headers_is_bounded(http: Http, module_server: ServerProcess) -> None:
    process = psutil.Process(module_server.pid)
    before = process.memory_info().rss
    floods = [
        b"".join(b"X-Flood-%d: y\r\n" % number for number in range(50_000)),
        b"X-Flood: " + b"y" * 2_000_000 + b"\r\n",
        b"X" * 2_000_000 + b": y\r\n",
        b"X-Folded: a\r\n" + b" more\r\n" * 100_000,
    ]
    for flood in floods:
        with http.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + flood + b"\r\n")
            with contextlib.suppress(ConnectionError):
                assert 400 <= connection.receive(within=5).status < 500
            assert connection.ends(within=5)
    assert process.memory_info().rss - before < 30 * 1024 * 1024
    assert http.get("/health").status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",  # no Host
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nBroken\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Nul: \0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 100 + b"\r\n\r\n",  # a TLS hello
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda raw: ascii(raw[:40]),
)
def test_what_is_not_http_is_refused_or_hung_up_on(http: Http, raw: bytes) -> None:
    with http.connect() as connection:
        with contextlib.suppress(OSError):  # it may have been hung up on by now
            connection.send(raw)
            connection.finish_sending()
        with contextlib.suppress(ConnectionError):
            answer = connection.receive(within=5)
            assert answer.status < 500 or answer.status in (501, 505)
            assert not TELLTALE.search(answer.body)
    assert http.get("/health").status == 200


def test_a_body_where_none_belongs_is_not_waited_for_without_end(http: Http) -> None:
    with http.connect() as connection:
        connection.send_head("GET", "/health", [("Content-Length", "1000000000000")])
        with contextlib.suppress(Closed):
            assert connection.receive(within=10).status in (200, 400, 413)


def test_a_refused_body_is_not_waited_for(tus: Tus) -> None:
    framing: list[Header] = [("Upload-Offset", "0"), ("Content-Length", "100000000")]
    with tus.http.connect() as connection:
        connection.send_head("PATCH", f"/uploads/{UNKNOWN}", [VERSION, BYTES, *framing])
        assert connection.receive("PATCH", within=5).status == 404


def test_a_client_that_asks_too_often_is_told_to_wait_but_its_bytes_are_let_in(
    start_server: StartServer,
) -> None:
    """Contract §0: requests that carry bytes of an accepted upload do not count; nor does the question where to go on,
    whose refusal tus-js-client takes for the upload's end."""
    tus = Tus(Http(start_server(RATE_LIMIT="400/minute").port))  # the start took some of them
    target = tus.created(1000)
    refused = next(answer for _ in range(500) if (answer := tus.http.get("/uploads?state=open")).status != 200)
    assert_problem(refused, 429)
    assert (refused.header("Retry-After") or "").isdigit()
    assert tus.create(5).status == 429
    for offset in range(20):
        assert tus.patch(target, offset, b"x").status == 204
        assert tus.offset(target) == offset + 1
    assert tus.head(f"/uploads/{UNKNOWN}").status == 429, "who guesses at uploads is counted"


# --- /health and /


def test_health_names_its_services(http: Http) -> None:
    answer = http.get("/health")
    assert answer.status == 200
    health = answer.json()
    assert health.keys() == {"status", "services", "timestamp"}
    assert health["status"] == "healthy"
    assert health["services"] == {"database": True, "storage": True, "queue": True}
    assert datetime.fromisoformat(health["timestamp"]).tzinfo is not None
    assert http.get("/health/").status == 200


def test_the_first_page_is_html_or_a_welcome_in_json(http: Http) -> None:
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*"):
        page = http.get("/", ("Accept", accept))
        assert page.status == 200
        assert (page.header("Content-Type") or "").startswith("text/html")
        assert b"<html" in page.body.lower()
    welcome = http.get("/", ("Accept", "application/json"))
    assert welcome.status == 200
    assert (welcome.header("Content-Type") or "").startswith("application/json")
    assert welcome.json().keys() == {"message", "version"}
    assert "accept" in welcome.words("Vary")


# --- a stop is a drain


def test_a_stop_lets_running_requests_end(start_server: StartServer) -> None:
    server = start_server()
    http, tus = Http(server.port), Tus(Http(server.port))
    target = tus.created(100_000)
    content = os.urandom(100_000)
    other = tus.created(10, body=b"hello")
    idle = http.connect()
    idle.send_head("GET", "/health")
    assert idle.receive().status == 200
    watcher = WebSocket.open(http, f"/ws/progress?upload_id={id_of(target)}")
    next(watcher.messages(within=5))  # its snapshot: it is subscribed
    running = tus.begin_patch(target, 0, len(content), content[:50_000])
    time.sleep(0.3)

    server.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.alive, "it did not wait for a running request"
    with idle:
        idle.send_head("GET", "/health")
        assert idle.receive(within=2).status == 503
        idle.send_head("PATCH", other, [VERSION, BYTES, ("Upload-Offset", "5"), ("Content-Length", "0")])
        assert idle.receive("PATCH", within=2).status == 503
        idle.send_head("HEAD", other, [VERSION])
        answer = idle.receive("HEAD", within=2)
        assert (answer.status, answer.header("Upload-Offset")) == (200, "5")
    with pytest.raises(ConnectionRefusedError):
        http.get("/health")
    for half in (content[50_000:75_000], content[75_000:]):
        running.send(half)
        time.sleep(0.2)
    answer = running.receive("PATCH")
    assert (answer.status, answer.header("Upload-Offset")) == (204, str(len(content)))
    for _ in watcher.messages(within=5):
        pass
    assert watcher.close_code == 1001
    assert server.wait(10) == 0

    server.start()
    assert tus.content(target) == content


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    http = Http(server.port)
    kept_alive = http.connect()
    kept_alive.send_head("GET", "/health")
    kept_alive.receive()
    server.signal(number)
    assert server.wait(5) == 0
    kept_alive.close()


def test_a_stop_ends_a_hanging_upload_and_keeps_its_prefix(start_server: StartServer) -> None:
    """The drain would wait for 30 s; the client leaves earlier."""
    server = start_server()
    tus = Tus(Http(server.port))
    target = tus.created(100_000)
    hanging = tus.begin_patch(target, 0, 100_000, b"x" * 60_000)
    time.sleep(0.3)
    server.signal(signal.SIGTERM)
    time.sleep(0.3)
    hanging.reset()
    assert server.wait(10) == 0
    server.start()
    assert tus.offset(target) == 60_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_drain_at_once(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    tus = Tus(Http(server.port))
    target = tus.created(100_000)
    assert tus.patch(target, 0, b"x" * 50_000).status == 204
    hanging = tus.begin_patch(target, 50_000, 50_000, b"x" * 10_000)
    time.sleep(0.3)
    server.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.alive, "it did not wait for a running request"
    assert "a second signal (Ctrl-C, SIGTERM) ends it at once" in server.log()
    server.signal(number)
    assert server.wait(3) == -number
    hanging.close()
    assert "Traceback" not in server.log()
    server.start()
    assert tus.offset(target) >= 50_000
