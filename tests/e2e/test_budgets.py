"""What one client, one owner and one request may ask for, and what does not count. Contract §0, §2.9."""

import re
import uuid
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.e2e.chunk_client import ChunkClient
from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import file_part, post
from tests.e2e.test_tokens import JWT
from tests.e2e.tus import VERSION, Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.until import becomes
from tests.support.wire import Closed, Connection, Http, Response, WebSocket

REQUESTS, UPLOADS, FILES, CONNECTIONS = 5, 40, 15, 20
UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    """Behind a gateway, which says who calls and from where: each test has an owner and a client of its own."""
    return start_module_server(
        AUTH_MODE="gateway",
        TRUSTED_PROXIES="127.0.0.1",
        RATE_LIMIT=f"{REQUESTS}/hour",
        UPLOAD_RATE_LIMIT=f"{UPLOADS}/hour",
        QUOTA_FILES=str(FILES),
        QUOTA_BYTES="1MiB",
        CONNECTIONS_PER_CLIENT=str(CONNECTIONS),  # not of the gateway
    )


_addresses = count(1)


@pytest.fixture
def http(server: ServerProcess) -> Http:
    return a_client(server)


def a_client(server: ServerProcess) -> Http:
    address = f"203.0.113.{next(_addresses)}"
    return Http(server.port).with_headers(("X-User-Id", str(uuid.uuid4())), ("X-Forwarded-For", address))


def statuses(answers: Iterator[Response]) -> set[int]:
    return {answer.status for answer in answers}


def room_left(http: Http) -> int:
    """How many requests that count are still let through."""
    return next(number for number in count() if http.get("/uploads?state=open").status == 429)


def test_content_that_is_given_out_does_not_count(http: Http) -> None:
    tus = Tus(http)
    target = tus.completed(b"picture")
    content = f"/files/{id_of(target)}/content"
    etag = http.get(content).header("ETag") or ""
    assert statuses(http.get(content) for _ in range(2 * REQUESTS)) == {200}
    assert statuses(http.get(target) for _ in range(REQUESTS)) == {200}
    assert statuses(http.get(content, ("Range", "bytes=1-2")) for _ in range(REQUESTS)) == {206}
    assert statuses(http.get(content, ("If-None-Match", etag)) for _ in range(REQUESTS)) == {304}
    assert statuses(http.request("HEAD", content) for _ in range(REQUESTS)) == {200}
    assert room_left(http) == REQUESTS
    assert http.get(content).status == 200


def test_content_that_is_refused_counts(http: Http) -> None:
    assert statuses(http.get(f"/files/{UNKNOWN}/content") for _ in range(REQUESTS)) == {404}
    refused = http.get(f"/files/{UNKNOWN}/content")
    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.header("Retry-After") or 0) > 0


def test_an_upload_that_is_asked_about_is_no_download(http: Http) -> None:
    target = Tus(http).created(5)
    assert statuses(http.get(target) for _ in range(REQUESTS)) == {200}
    assert http.get(target).status == 429


def test_who_may_create_is_not_held_up_by_the_rate_limit(server: ServerProcess, http: Http) -> None:
    tus = Tus(http)
    for number in range(3):
        assert tus.delete(tus.completed(b"by tus")).status == 204
        assert http.request("PUT", f"/upload/{number}.txt", [], b"put").status == 201
        assert post(http, file_part(b"a"), file_part(b"b", "b.txt")).status == 200
    with ChunkClient(server.port, {name: str(value) for name, value in http.headers}) as chunks:
        for _ in range(3):
            upload_id = chunks.init()
            assert chunks.chunk(upload_id, 0, b"x", 1).status == 200
            assert chunks.complete(upload_id, total_chunks=1, total_size=1).status == 200
    assert room_left(http) == REQUESTS


def test_more_uploads_than_may_be_begun_count_as_requests(http: Http) -> None:
    tus = Tus(http)
    for _ in range(UPLOADS + REQUESTS):
        assert tus.delete(tus.created(5)).status == 204
    refused = tus.create(5)
    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert http.get("/uploads?state=open").status == 429


def test_each_file_of_a_form_is_an_upload(server: ServerProcess) -> None:
    guest = ("X-Guest-Id", str(uuid.uuid4()))
    http, elsewhere = (
        Http(server.port).with_headers(guest, ("X-Forwarded-For", f"203.0.113.{last}")) for last in (248, 249)
    )
    some = [file_part(b"x", f"{number}.txt") for number in range(UPLOADS // 4)]
    for _ in range(4):
        answer = post(http, *some)
        assert answer.status == 200
        for file in answer.json()["files"]:
            assert http.request("DELETE", f"/files/{file['id']}").status == 204
    refused = post(http, *some)
    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.header("Retry-After") or 0) > 0
    assert post(elsewhere, *some).status == 200  # nothing of the refused form is kept


def test_a_creation_that_is_refused_counts(http: Http) -> None:
    tus = Tus(http)
    assert statuses(tus.create(None) for _ in range(REQUESTS)) == {400}
    assert tus.create(None).status == 429
    assert tus.create(5).status == 429


def test_a_creation_that_is_refused_counts_once_where_uploads_count_as_requests(start_server: StartServer) -> None:
    http = Http(start_server(RATE_LIMIT="50/hour", UPLOAD_RATE_LIMIT="1/hour", QUOTA_FILES="1").port)
    assert http.request("PUT", "/upload/a.bin", [], b"x").status == 201
    refused = [http.request("PUT", "/upload/b.bin", [], b"x") for _ in range(3)]
    assert [answer.status for answer in refused] == [403] * 3
    told = [re.findall(r"r=(\d+)", str(answer.header("RateLimit"))) for answer in refused]
    assert told == [["49"], ["48"], ["47"]]


def test_metrics_count_only_for_those_who_may_not_read_them(http: Http) -> None:
    admin = http.with_headers(("X-User-Scope", "admin"))
    assert statuses(admin.get("/metrics") for _ in range(REQUESTS * 2)) == {200}
    assert room_left(http) == REQUESTS
    assert (http.get("/metrics").status, admin.get("/metrics").status) == (429, 200)


def test_whoever_does_not_say_who_they_are_may_not_try_for_ever(server: ServerProcess) -> None:
    stranger = Http(server.port).with_headers(("X-Forwarded-For", "203.0.113.250"))
    tries: list[Callable[[], Response]] = [
        lambda: Tus(stranger).create(5),
        lambda: stranger.request("PUT", "/upload/a.txt", [], b"a"),
        lambda: Tus(stranger).patch(f"/uploads/{UNKNOWN}", 0, b"x"),
        lambda: stranger.request("DELETE", f"/uploads/{UNKNOWN}", [VERSION]),
        lambda: post(stranger, file_part(b"x")),
    ]
    assert [attempt().status for attempt in tries[:REQUESTS]] == [401] * REQUESTS
    assert [attempt().status for attempt in tries] == [429] * len(tries)


def test_an_owner_has_as_many_files_as_they_may(http: Http) -> None:
    tus = Tus(http)
    refused = post(http, *(file_part(b"x", f"{number}.txt") for number in range(FILES + 1)))
    assert (refused.status, refused.json()["code"]) == (403, "too_many_files")
    answer = post(http, *(file_part(b"x", f"{number}.txt") for number in range(FILES - 1)))
    assert answer.status == 200, answer
    target = tus.created(5)  # it will be a file
    for refused in (tus.create(5), http.request("PUT", "/upload/a.txt", [], b"a"), tus.create(0)):
        assert (refused.status, refused.json()["code"]) == (403, "too_many_files")
    assert tus.create(5, ("Upload-Concat", "partial")).status == 201  # a part becomes none
    assert tus.patch(target, 0, b"12345").status == 204
    assert http.request("DELETE", f"/files/{id_of(target)}").status == 204
    assert http.request("PUT", "/upload/a.txt", [], b"a").status == 201


def test_a_join_is_refused_by_the_quota_before_a_byte_is_copied(server: ServerProcess, http: Http) -> None:
    part = Tus(http).completed(b"x" * 200_000, ("Upload-Concat", "partial"))
    before = _bytes_in(server)
    refused = http.request("POST", "/uploads", [VERSION, ("Upload-Concat", "final;" + " ".join([part] * 90))])
    assert (refused.status, refused.json()["code"]) == (413, "quota_exceeded")
    assert _bytes_in(server) == before


def _bytes_in(server: ServerProcess) -> int:
    return sum(path.stat().st_size for path in server.data_dir.glob("storage/*/*/*"))


LONG = 60_000


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"\x80" * LONG + b" HTTP/1.1\r\n",
        b"GET /uploads/" + b"\xff" * LONG + b" HTTP/1.1\r\n",
        b"GET /files/" + b'"' * LONG + b"/content HTTP/1.1\r\n",
        b"GET /events?" + b"\x85" * LONG + b" HTTP/1.1\r\n",
        b"X" * LONG + b" / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nX-Request-Id: " + b"\x9f" * LONG + b"\r\n",
        b"POST /uploads HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Metadata: " + b"\xe9" * LONG + b"\r\n",
        b"POST /uploads HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Concat: final;" + b"\xe9" * LONG + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"\xe9" * LONG + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: " + b"\xe9" * LONG + b"\r\n",
    ],
    ids=range(10),
)
def test_a_long_request_makes_short_lines_in_the_log(server: ServerProcess, head: bytes) -> None:
    before = len(server.log())
    with Http(server.port).connect() as connection:
        connection.send(head + b"Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert connection.ends(within=10)
    assert Http(server.port).get("/health").status == 200
    assert len(server.log()) - before < 10_000


def test_a_client_holds_as_many_connections_as_it_may(start_server: StartServer) -> None:
    server = start_server(CONNECTIONS_PER_CLIENT=str(CONNECTIONS))
    http = Http(server.port)
    held = [http.connect() for _ in range(CONNECTIONS - 5)]
    for _ in range(2 * CONNECTIONS):
        assert http.get("/health").status == 200  # those that are closed don't count
    held += [http.connect() for _ in range(5)]
    for method, target in (("GET", "/uploads"), ("POST", "/uploads"), ("GET", "/"), ("GET", "/ws/progress")):
        with http.connect() as connection:
            connection.send_head(method, target, [VERSION, ("Content-Length", "0")])
            refused = connection.receive()
            assert (refused.status, refused.json()["code"]) == (429, "too_many_connections")
            assert connection.ends(within=5)
            assert (refused.header("Tus-Resumable") is not None) == (target == "/uploads")
    silent = [http.connect() for _ in range(200)]
    assert sum(_is_closed(connection) for connection in silent) >= 100
    for connection in silent:
        connection.close()
    for connection in held:
        connection.send_head("GET", "/health")
        assert connection.receive().status == 200
        connection.close()
    assert http.get("/health").status == 200


def _is_closed(connection: Connection) -> bool:
    try:
        return connection.ends(within=0.01)
    except (Closed, OSError):
        return True


def test_a_proxys_connections_are_not_counted(server: ServerProcess) -> None:
    held = [Http(server.port).connect() for _ in range(2 * CONNECTIONS)]
    for connection in held:
        connection.send_head("GET", "/health")
        assert connection.receive().status == 200
        connection.close()


ELSEWHERE = {"AUTH_MODE": "gateway", "TRUSTED_PROXIES": "203.0.113.1"}


@pytest.mark.parametrize("mode", [{}, JWT, ELSEWHERE], ids=["open", "jwt", "gateway"])
def test_whatever_a_client_says_of_itself_it_is_one(start_server: StartServer, mode: dict[str, str]) -> None:
    limits = {"RATE_LIMIT": "9/hour", "CONNECTIONS_PER_CLIENT": str(CONNECTIONS), "STREAMS_PER_CLIENT": "2"}
    server = start_server(**mode, **limits)
    may = 101 if not mode else 401
    sockets = [WebSocket.asked(disguised(server), "/ws/progress") for _ in range(3)]
    answers = [socket.connection.receive() for socket in sockets]
    assert [answer.status for answer in answers] == ([101, 101, 429] if not mode else [401] * 3)
    stream = disguised(server).get("/events?scope=mine")
    if not mode:
        for refused in (answers[2], stream):
            assert (refused.status, refused.json()["code"]) == (429, "too_many_streams")
            assert int(refused.header("Retry-After") or 0) > 0
    answered = [disguised(server).get("/uploads?state=open").status for _ in range(7)]
    assert answered == [200 if may == 101 else 401] * 5 + [429] * 2
    for socket in sockets:
        socket.close()
    held = [disguised(server).connect() for _ in range(CONNECTIONS)]
    for connection, client in zip(held, (disguised(server) for _ in held), strict=True):
        connection.send_head("GET", "/health", client.headers)
        assert connection.receive().status == 200
    refused = disguised(server).get("/health")
    assert (refused.status, refused.json()["code"]) == (429, "too_many_connections")
    for connection in held:
        connection.close()


def disguised(server: ServerProcess) -> Http:
    """From another address each time, if what it says were believed, and somebody else."""
    address = f"198.51.100.{next(_addresses)}"
    return Http(server.port).with_headers(
        ("X-Forwarded-For", address),
        ("X-Real-IP", address),
        ("Forwarded", f"for={address}"),
        ("X-User-Id", str(uuid.uuid4())),
    )


def test_what_is_closed_makes_room_for_another_stream(start_server: StartServer) -> None:
    http = Http(start_server(STREAMS_PER_CLIENT="2").port)
    sockets = [WebSocket.open(http, "/ws/progress") for _ in range(2)]
    assert http.get("/notifications/sse").json()["errors"][0]["code"] == "too_many_streams"
    sockets[0].close()
    assert becomes(lambda: upgrades(http))
    sockets[1].close()


def upgrades(http: Http) -> bool:
    return WebSocket.asked(http, "/image/upload").connection.receive().status == 101
