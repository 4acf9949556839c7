"""HTTP/1.1 by the letter of RFC 9112, whatever route it is for: targets, heads, chunked bodies, ends of input.

One server; a page of FRIEND may call it.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require_program
from tests.support.wire import Closed, Connection, Header, Http, Response, chunked

FRIEND = "https://app.example"
KIB, MIB = 1024, 1024 * 1024
UNKNOWN = "/uploads/" + "0" * 32
CREATION = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 7\r\n\r\n"


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(CORS_ORIGINS=FRIEND, KEEP_ALIVE="2s")


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Http:
    return Http(server.port)


def files_in(server: ServerProcess) -> int:
    with contextlib.closing(sqlite3.connect(server.data_dir / "files.db", timeout=10)) as database:
        (count,) = database.execute("SELECT count(*) FROM files").fetchone()
    return int(count)


@pytest.fixture(scope="module", autouse=True)
def silent(http: Http) -> Iterator[Connection]:
    """Has asked something before the first test."""
    with http.connect() as connection:
        connection.send_head("GET", "/health")
        assert connection.receive().status == 200
        yield connection


def ask(http: Http, text: bytes, *, method: str = "GET") -> Response:
    with http.connect() as wire:
        wire.send(text)
        return wire.receive(method, within=4)


def put(version: str, *headers: Header) -> bytes:
    lines = "".join(f"{name}: {value!s}\r\n" for name, value in headers)
    return f"PUT /upload/a HTTP/{version}\r\nHost: localhost\r\n{lines}\r\n".encode()


class TestTargets:
    @pytest.mark.parametrize(
        "line",
        [
            "GET http://127.0.0.1/health",
            "GET HTTP://127.0.0.1/health/",
            "GET https://localhost:8443/health?x=1",
            "GET http://[::1]:80/health",
            "HEAD http://localhost/health",
            "GET http://localhost",
            "GET http://localhost?x=/nowhere",
            "GET http://localhost/static/css/base.css",
        ],
    )
    def test_a_whole_url_is_its_path(self, http: Http, line: str) -> None:
        """RFC 9112 §3.2.2: a server MUST accept it."""
        assert (
            ask(http, f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(), method=line.split(maxsplit=1)[0]).status
            == 200
        )

    def test_a_whole_url_does_for_uploads(self, http: Http) -> None:
        created = ask(http, CREATION.replace(b"/uploads", b"http://localhost/uploads"))
        assert created.status == 201
        url = f"http://localhost{created.header('Location')}"
        head = f"PATCH {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += "Content-Type: application/offset+octet-stream\r\nContent-Length: 7\r\n\r\n"
        assert ask(http, head.encode() + b"content").status == 204

    def test_a_whole_url_names_the_host(self, http: Http) -> None:
        """§3.2.2: what the header says is ignored."""
        head = b"PUT http://localhost/upload/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n"
        assert ask(http, head + b"hi").body.startswith(b"http://localhost/files/")

    @pytest.mark.parametrize(
        "line",
        [
            "GET http:///health",
            "GET http://:80/health",
            "GET http://user@a/health",
            "GET http://user:secret@a/health",
            "GET ftp://a/health",
            "GET file:///etc/passwd",
            "GET http:/health",
            "GET health",
            "GET ?a=b",
            "GET *",
            "GET a:80",
            "POST *",
        ],
    )
    def test_what_is_neither_is_refused(self, http: Http, line: str) -> None:
        assert_refused(http, f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 400)

    @pytest.mark.parametrize(
        "target", ["*", "/", "/health", "/health/", "http://localhost", UNKNOWN, "/upload", "/events"]
    )
    def test_options_are_told(self, http: Http, target: str) -> None:
        answer = ask(http, f"OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert (answer.status, answer.header("Content-Length")) == (204, None)

    def test_a_proxy_is_what_we_are_not(self, http: Http) -> None:
        refused = assert_refused(http, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405)
        assert "connect" not in refused.words("Allow") and "put" in refused.words("Allow")


def assert_refused(http: Http, text: bytes, status: int) -> Response:
    """In our own words, readable for tus clients and pages; then the connection is over."""
    start, end, rest = text.partition(b"\r\n")
    with http.connect() as wire:
        wire.send(start + end + f"Origin: {FRIEND}\r\n".encode() + rest + CREATION)
        answer = wire.receive(within=4)
        assert wire.ends(within=4)
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["request_id"]) == (status, answer.header("X-Request-Id"))
    assert answer.header("Tus-Resumable") == "1.0.0"
    assert answer.header("Access-Control-Allow-Origin") == FRIEND
    assert "tus-resumable" in answer.words("Access-Control-Expose-Headers")
    assert answer.words("Connection") == {"close"}
    return answer


class TestHeads:
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"GET /health\r\nHost: localhost\r\n\r\n", 400),
            (b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET\t/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health HTTP/1.1 \r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health http/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"G{}T /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
            (b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n", 505),
            (b"GET /health HTTP/1.1\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: a:http\r\n\r\n", 400),
            (b"GET http://localhost/health HTTP/1.1\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A : b\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\n X-A: b\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\x00c\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\rc\r\n\r\n", 400),
            (b"GET /health?" + b"a=b&" * 2100 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello", 400),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
            (b"PUT /upload/a HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (
                b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
                400,
            ),
            (b"GET /static/css/base.css HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
            (b"GET /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 6\r\n\r\n", 400),
        ],
        ids=lambda value: repr(value)[:80],
    )
    def test_what_can_be_read_in_two_ways_is_refused(self, http: Http, text: bytes, status: int) -> None:
        assert_refused(http, text, status)

    @pytest.mark.parametrize("size", [64 * KIB, 100 * KIB, 3 * MIB])
    @pytest.mark.parametrize("target", ["/health", "/nowhere", "/events", "/uploads"])
    def test_headers_that_are_too_long_are_refused(self, http: Http, target: str, size: int) -> None:
        padding = b"X-More: " + b"m" * size
        assert_refused(http, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n".encode() + padding + b"\r\n\r\n", 431)

    def test_many_short_headers_are_as_long(self, http: Http) -> None:
        assert_refused(http, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-More: y\r\n" * 10_000 + b"\r\n", 431)

    def test_a_target_that_is_too_long_is_refused(self, http: Http) -> None:
        answer = ask(http, b"GET /" + b"x" * 100 * KIB + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (answer.status, answer.json()["code"]) == (414, "target_too_long")

    @pytest.mark.parametrize("text", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00", b"{}\n", b"<xml/>"])
    def test_what_is_no_http_is_told_at_once(self, http: Http, text: bytes) -> None:
        assert ask(http, text).json()["code"] == "invalid_request"

    @pytest.mark.parametrize(
        "text",
        [
            b"\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\r\n\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /health HTTP/1.1\nHost: localhost\n\n",
            b"GET /health HTTP/1.0\r\n\r\n",
            b"GET /health HTTP/1.7\r\nhOST:localhost\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Empty:\r\nX-More: \xe4\xff\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nTrailer: X\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-More: " + b"m" * 60 * KIB + b"\r\n\r\n",
        ],
        ids=lambda text: repr(text)[:60],
    )
    def test_what_the_standard_lets_pass_is_served(self, http: Http, text: bytes) -> None:
        assert ask(http, text).status == 200


class TestConnections:
    @pytest.mark.parametrize(
        ("version", "connection", "lives"),
        [
            ("1.1", "", True),
            ("1.1", "keep-alive, TE", True),
            ("1.1", "closed", True),
            ("1.1", "close", False),
            ("1.1", "TE, Close", False),
            ("1.1", "keep-alive , close,", False),
            ("1.0", "", False),
            ("1.0", "Keep-Alive", True),
            ("1.0", "TE, keep-alive", True),
            ("1.0", "keep-alive, close", False),
        ],
    )
    @pytest.mark.parametrize("target", ["/health", "/nowhere", "/"])
    def test_they_are_kept_as_a_list_of_words_has_it(
        self, http: Http, target: str, version: str, connection: str, lives: bool
    ) -> None:
        head = f"GET {target} HTTP/{version}\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n".encode()
        with http.connect() as wire:
            for _ in range(2 if lives else 1):
                wire.send(head)
                answer = wire.receive(within=4)
                assert answer.status in (200, 404)
                if not lives:
                    assert answer.words("Connection") == {"close"}
                elif version == "1.0":
                    assert answer.words("Connection") == {"keep-alive"}
            assert lives or wire.ends(within=4)

    def test_requests_may_follow_without_waiting(self, http: Http) -> None:
        data = os.urandom(100 * KIB)
        requests = [
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 102400\r\n\r\n" + data, 201),
            (b"PUT /upload/b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(data), 201),
            (
                b"PUT /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(data, data),
                404,
            ),
            (b"\r\nOPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204),
            (b"GET /static/app.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ]
        with http.connect() as wire:
            wire.send(b"".join(request for request, _ in requests))
            assert [wire.receive(within=5).status for _ in requests] == [status for _, status in requests]

    @pytest.mark.parametrize("size", [5 * MIB, 100 * KIB, 10])
    @pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "GET"])
    @pytest.mark.parametrize("target", ["/uplaod", "/", "/static/css/base.css", "/events"])
    def test_a_body_that_nobody_wants_does_not_hide_the_answer(
        self, http: Http, target: str, method: str, size: int
    ) -> None:
        answer = http.request(method, target, [("Content-Length", str(size))], bytes(size))
        expected = 404 if target == "/uplaod" else 405 if method != "GET" else 400 if target == "/events" else 200
        assert answer.status == expected
        assert expected == 200 or answer.header("Content-Type") == "application/problem+json"

    def test_one_on_which_nothing_comes_is_closed_in_time(self, silent: Connection) -> None:
        assert silent.ends(within=4)


class TestExpectations:
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    @pytest.mark.parametrize("value", ["100-continue", "100-Continue", " 100-continue ,"])
    @pytest.mark.parametrize("size", [100, 2 * MIB])
    def test_the_word_is_given_to_who_knows_it(self, http: Http, version: str, value: str, size: int) -> None:
        """RFC 9110 §10.1.1: to HTTP/1.0 never."""
        head = put(version, ("Expect", value), ("Content-Length", str(size)))
        with http.connect() as wire:
            wire.send(head)
            if version == "1.1":
                assert wire.receive_interim(within=4).status == 100
            wire.send(bytes(size))
            answer = wire.receive("PUT", within=5)
        assert (answer.status, answer.interim) == (201, ())

    @pytest.mark.parametrize(("version", "status"), [("1.1", 417), ("1.0", 201)])
    @pytest.mark.parametrize("value", ["200-ok", "100-continue, x", "100-continue=1"])
    def test_others_are_refused(self, http: Http, version: str, status: int, value: str) -> None:
        head = (
            f"PUT /upload/a HTTP/{version}\r\nHost: localhost\r\nExpect: {value}\r\nContent-Length: 2\r\n\r\n".encode()
        )
        assert ask(http, head + b"hi").status == status


def put_chunked(body: bytes) -> bytes:
    return put("1.1", ("Transfer-Encoding", "Chunked")) + body


class TestChunkedBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"5;name=value\r\nhello\r\n0\r\n\r\n",
            b'5;name="a;b,c"\r\nhello\r\n0;last\r\n\r\n',
            b"5 ; name = value ; other\r\nhello\r\n0\r\n\r\n",
            b"5;" + b"x" * 1000 + b"\r\nhello\r\n0\r\n\r\n",
            b"0005\r\nhello\r\n000\r\n\r\n",
            b"2\r\nhe\r\n3;a\r\nllo\r\n0\r\nX-Checksum: abc\r\n\r\n",
            b"5\r\nhello\r\n0\r\nTrailer: a\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\nX-E:\r\n\r\n",
            b"1;x\r\nh\r\n" + b"1;x\r\ne\r\n" + b"3\r\nllo\r\n0\r\n" + b"X-More: y\r\n" * 1000 + b"\r\n",
        ],
        ids=lambda body: repr(body)[:60],
    )
    def test_extensions_and_trailers_are_read_past(self, http: Http, body: bytes) -> None:
        """RFC 9112 §7.1.1 and §7.1.2."""
        with http.connect() as wire:
            wire.send(put_chunked(body) + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            stored = wire.receive("PUT", within=4)
            assert stored.status == 201
            assert wire.receive(within=4).status == 200
        assert http.get(f"{stored.header('Location')}/content").body == b"hello"

    @pytest.mark.parametrize(
        "body",
        [
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5;a\x00\r\nhello\r\n0\r\n\r\n",
            b"5 a\r\nhello\r\n0\r\n\r\n",
            b"1" + b"0" * 16 + b"\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\nno trailer\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX-A: b\n\r\n",
            b"5\r\nhello\r\n0\r\n" + b"X-More: y\r\n" * 2000 + b"\r\n",
            b"5;" + b"x" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
            b"".join(b"1;" + b"x" * 100 + b"\r\nh\r\n" for _ in range(300)) + b"0\r\n\r\n",
        ],
        ids=lambda body: repr(body)[:60],
    )
    def test_what_is_no_chunk_is_refused_and_nothing_behind_it_is_done(
        self, server: ServerProcess, http: Http, body: bytes
    ) -> None:
        before = files_in(server)
        with http.connect() as wire:
            wire.send(
                put_chunked(body) + b"PUT /upload/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
            )
            answer = wire.receive("PUT", within=4)
            assert (answer.status, answer.header("Content-Type")) == (400, "application/problem+json")
            assert wire.ends(within=4)
        assert files_in(server) == before


class TestEndOfInput:
    """A client that has said all it wants to say still hears the answer."""

    @pytest.mark.parametrize("size", [0, 5, 100 * KIB, 3 * MIB])
    @pytest.mark.parametrize(("framing", "version"), [("length", "1.1"), ("length", "1.0"), ("chunked", "1.1")])
    def test_of_a_file(self, server: ServerProcess, http: Http, framing: str, size: int, version: str) -> None:
        data, before = os.urandom(size), files_in(server)
        told = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
        head = f"PUT /upload/a HTTP/{version}\r\nHost: localhost\r\n{told}\r\n\r\n".encode()
        with http.connect() as wire:
            wire.send(head + (data if framing == "length" else chunked(data)))
            wire.finish_sending()
            answer = wire.receive("PUT", within=5)
            assert wire.ends(within=4)
        assert answer.status == 201
        assert http.get(f"{answer.header('Location')}/content").body == data
        assert files_in(server) == before + 1

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"GET /health HTTP/1.0\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /ws/progress HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
            (b"GET /uploads?state=open HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (CREATION, 201),
            (CREATION.replace(b"Upload-Length: 7", b"Upload-Length: 0"), 201),
            (b"POST /api/v1/file/upload/init/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 200),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_of_a_question(self, http: Http, text: bytes, status: int) -> None:
        with http.connect() as wire:
            wire.send(text)
            wire.finish_sending()
            assert wire.receive(within=4).status == status
            assert wire.ends(within=4)

    def test_of_several_questions(self, http: Http) -> None:
        with http.connect() as wire:
            wire.send(CREATION * 3 + b"PUT /upload/last HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
            wire.finish_sending()
            assert [wire.receive(within=4).status for _ in range(4)] == [201] * 4
            assert wire.ends(within=4)

    def test_of_a_form(self, server: ServerProcess, http: Http) -> None:
        before = files_in(server)
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="half"\r\n\r\nhello\r\n--b--\r\n'
        kind = b"Content-Type: multipart/form-data; boundary=b\r\n"
        with http.connect() as wire:
            wire.send(
                b"POST /upload HTTP/1.1\r\nHost: localhost\r\n"
                + kind
                + b"Content-Length: %d\r\n\r\n" % len(form)
                + form
            )
            wire.finish_sending()
            assert wire.receive("POST", within=4).status == 200
        assert files_in(server) == before + 1

    def test_of_a_chunk(self, http: Http) -> None:
        url = ask(http, CREATION).header("Location")
        head = f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += "Content-Type: application/offset+octet-stream\r\nContent-Length: 7\r\n\r\n"
        with http.connect() as wire:
            wire.send(head.encode() + b"content")
            wire.finish_sending()
            answer = wire.receive("PATCH", within=4)
        assert (answer.status, answer.header("Upload-Offset")) == (204, "7")

    @pytest.mark.parametrize("text", [b"", b"GET", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"])
    def test_before_anything_was_asked_is_a_farewell(self, http: Http, text: bytes) -> None:
        with http.connect() as wire:
            wire.send(text)
            wire.finish_sending()
            with pytest.raises(Closed):
                wire.receive(within=4)


NODE = """
const http = require('http'), port = process.argv[1];
function trailing() {
  return new Promise((resolve, reject) => {
    const request = http.request({port, method: 'PUT', path: '/upload/node',
                                  headers: {'Transfer-Encoding': 'chunked', Trailer: 'X-Checksum'}}, answer => {
      answer.resume(); answer.on('end', () => resolve(answer.statusCode));
    });
    request.on('error', reject);
    request.write('hel'); request.write('lo');
    request.addTrailers({'X-Checksum': 'abc'});
    request.end();
  });
}
async function streaming() {
  const body = new ReadableStream({start(c) { c.enqueue(new TextEncoder().encode('hello')); c.close(); }});
  const answer = await fetch(`http://127.0.0.1:${port}/upload/fetch`, {method: 'PUT', body, duplex: 'half'});
  await answer.text();
  return answer.status;
}
(async () => console.log(JSON.stringify([await trailing(), await streaming(), await trailing()])))();
"""


def test_node_sends_trailers_and_streams(http: Http) -> None:
    node = require_program("node")
    done = subprocess.run([node, "-e", NODE, str(http.port)], capture_output=True, timeout=20, check=True)
    assert json.loads(done.stdout) == [201, 201, 201]


def test_a_client_of_http_1_0_uploads_and_downloads(http: Http) -> None:
    base = f"http://127.0.0.1:{http.port}"
    curl = [require_program("curl"), "-sS", "--http1.0", "-H", "Expect: 100-continue"]
    sent = subprocess.run([*curl, "-T", __file__, f"{base}/upload/"], capture_output=True, timeout=20, check=True)
    got = subprocess.run([*curl, sent.stdout.decode().strip()], capture_output=True, timeout=20, check=True)
    assert got.stdout == Path(__file__).read_bytes()
