"""Behind a gateway, what is another owner's answers exactly as what does not exist. Contract §0, §2."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.tus import BYTES, VERSION, Tus, id_of, metadata, target_of
from tests.support.wire import Header, Http, WebSocket, chunked

ANNA = "0d4f8c1e-93d5-4a3c-9a52-2f0f7c1b6a11"
BERT = "5f3a9c2b7e1d4f6a8b0c1d2e"  # 24 hex digits are an id, too
UNKNOWN = "0123456789abcdef" * 2
MIB = 1024 * 1024
CHUNKED: Header = ("Transfer-Encoding", "chunked")
PARTIAL: Header = ("Upload-Concat", "partial")
_VARYING = re.compile(rb'"request_id": ?"[^"]*"|(?i:x-request-id|date|ratelimit): [^\r\n]*|[0-9a-f]{32}')
GATEWAY = {"AUTH_MODE": "gateway", "TRUSTED_PROXIES": "127.0.0.1"}


@dataclass(frozen=True)
class Gateway:
    """A server behind a gateway, as two users and somebody without a name see it."""

    anna: Tus
    bert: Tus
    nobody: Tus


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> Gateway:
    http = Http(start_module_server(**GATEWAY).port)
    return Gateway(Tus(as_user(http, ANNA)), Tus(as_user(http, BERT)), Tus(http))


def as_user(http: Http, user_id: str) -> Http:
    return http.with_headers(("X-User-Id", user_id))


def requests_for(upload_id: str) -> Iterator[tuple[str, str, list[Header], bytes | None]]:
    """Every verb on every resource that bears the id of an upload or of its file."""
    upload, file = f"/uploads/{upload_id}", f"/files/{upload_id}"
    body: list[Header] = [VERSION, BYTES, ("Upload-Offset", "0")]
    yield "HEAD", upload, [VERSION], None
    yield "PATCH", upload, body, b"hello"
    yield "PATCH", upload, [*body, ("Upload-Checksum", "sha512 aGVsbG8=")], b"hello"
    yield "PATCH", upload, [VERSION, BYTES, ("Upload-Offset", "3")], b"hello"
    yield "PATCH", upload, [*body, ("Upload-Length", "77")], b""
    yield "GET", upload, [], None
    yield "GET", upload, [("Range", "bytes=0-1")], None
    yield "GET", upload, [("If-None-Match", "*")], None
    yield "POST", upload, [*body, ("X-HTTP-Method-Override", "PATCH")], b"hello"
    yield "POST", upload, [VERSION, ("X-HTTP-Method-Override", "DELETE")], b""
    yield "DELETE", upload, [VERSION], None
    yield "POST", "/uploads", [VERSION, ("Upload-Concat", f"final;{upload}")], None
    for address in (file, f"{file}/content"):
        yield "GET", address, [], None
        yield "HEAD", address, [], None
        yield "GET", address, [("Range", "bytes=0-1")], None
        yield "GET", address, [("If-Match", '"x"')], None
    yield "DELETE", file, [], None


@pytest.mark.parametrize("kind", ["new", "begun", "completed", "partial", "form", "aborted"])
def test_what_is_anothers_answers_as_what_does_not_exist(gateway: Gateway, kind: str) -> None:
    target = _make(gateway.anna, kind)
    theirs = [_essence(gateway.bert, request) for request in requests_for(id_of(target))]
    unknown = [_essence(gateway.bert, request) for request in requests_for(UNKNOWN)]
    requests = [(method, address, headers) for method, address, headers, _ in requests_for("…")]
    for request, one, other in zip(requests, theirs, unknown, strict=True):
        assert one == other, request
    if kind in ("new", "begun", "partial"):
        assert gateway.anna.offset(target) == (3 if kind == "begun" else 5 if kind == "partial" else 0)
    elif kind != "aborted":
        assert gateway.anna.content(target) == b"hello"


def test_what_is_anothers_is_not_listed(gateway: Gateway) -> None:
    mine, theirs = gateway.bert.created(10), gateway.anna.created(10)
    listed = gateway.bert.open_uploads()
    assert id_of(mine) in listed
    assert id_of(theirs) not in listed


def test_what_is_anothers_cannot_be_watched(gateway: Gateway) -> None:
    theirs = id_of(gateway.anna.created(10))
    replies: list[Mapping[str, Any]] = []
    for upload_id in (theirs, UNKNOWN):
        watcher = WebSocket.open(gateway.bert.http, "/ws/progress")
        watcher.send_json({"action": "subscribe", "upload_ids": [upload_id]})
        replies.append({**next(watcher.messages(within=5)), "upload_id": None})
        watcher.close()
    assert replies[0] == replies[1]
    assert (replies[0]["type"], replies[0]["code"]) == ("error", "not_found")


def test_what_is_anothers_cannot_be_followed_by_events(gateway: Gateway) -> None:
    replies = []
    for upload_id in (id_of(gateway.anna.created(10)), UNKNOWN):
        with gateway.bert.http.connect() as connection:
            connection.send_head("GET", f"/events?upload_id={upload_id}", gateway.bert.http.headers)
            replies.append(_VARYING.sub(b"", connection.drain(seconds=0.5)))
    assert replies[0] == replies[1]
    assert b"snapshot" not in replies[0]


def test_ones_own_parts_cannot_be_joined_with_anothers(gateway: Gateway) -> None:
    mine, theirs = gateway.bert.completed(b"mine", PARTIAL), gateway.anna.completed(b"theirs", PARTIAL)
    join: list[Header] = [VERSION, ("Upload-Concat", f"final;{mine} {theirs}")]
    unknown: list[Header] = [VERSION, ("Upload-Concat", f"final;{mine} /uploads/{UNKNOWN}")]
    refused = gateway.bert.http.request("POST", "/uploads", join)
    assert 400 <= refused.status < 500
    assert refused.status == gateway.bert.http.request("POST", "/uploads", unknown).status
    assert refused.header("Location") is None


def test_ones_own_things_are_ones_own(gateway: Gateway) -> None:
    for tus in (gateway.anna, gateway.bert):
        target = tus.completed(b"hello", metadata(filename="a.txt"))
        assert tus.content(target) == b"hello"
        assert tus.http.get(f"/files/{id_of(target)}").status == 200
        assert tus.http.request("DELETE", f"/files/{id_of(target)}").status == 204


def test_nobody_gets_nothing(gateway: Gateway) -> None:
    target = gateway.anna.completed(b"hello")
    for method, address, headers, body in [
        *requests_for(id_of(target)),
        ("POST", "/uploads", [VERSION, ("Upload-Length", "5")], None),
        ("GET", "/uploads?state=open", [], None),
        ("POST", "/upload", [MULTIPART], form(file_part(b"hello"))),
        ("PUT", "/upload/a.txt", [], b"hello"),
    ]:
        answer = gateway.nobody.http.request(method, address, headers, body)
        assert answer.status == 401, (method, address)
        assert answer.header("Location") is None
        assert b"hello" not in answer.body
    assert gateway.anna.content(target) == b"hello"


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "bert",
        "1",
        "../x",
        ANNA[:-1],
        ANNA + "0",
        BERT[:-1],
        BERT + "0",
        "*",
        f"{ANNA},{BERT}",
        "null",
        "0" * 5000,
        "'--",
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_user_id_names_nobody(gateway: Gateway, user_id: str) -> None:
    tus = Tus(as_user(gateway.nobody.http, user_id))
    assert tus.create(5).status in (400, 401)
    assert tus.http.get("/uploads?state=open").status in (400, 401)


def test_two_names_at_once_name_nobody(gateway: Gateway) -> None:
    """A client that adds its own header beside the gateway's must not become somebody else."""
    both = as_user(as_user(gateway.nobody.http, ANNA), BERT)
    assert Tus(both).create(5).status in (400, 401)


def test_the_open_doors_stay_open(gateway: Gateway) -> None:
    assert gateway.nobody.http.get("/health").status == 200
    assert gateway.nobody.http.get("/").status == 200
    assert gateway.nobody.options().header("Tus-Version") == "1.0.0"


@pytest.mark.parametrize("proxies", ["10.0.0.1", "192.0.2.0/24", ""])
def test_a_name_from_a_peer_that_is_not_trusted_is_not_believed(start_server: StartServer, proxies: str) -> None:
    try:
        server = start_server(AUTH_MODE="gateway", TRUSTED_PROXIES=proxies)
    except RuntimeError:
        assert proxies == ""  # to trust nobody in this mode may also stop the start
        return
    spoofed = as_user(Http(server.port), ANNA)
    assert Tus(spoofed).create(5).status == 401
    for disguise in ("X-Forwarded-For", "X-Real-Ip", "Forwarded"):
        assert Tus(spoofed.with_headers((disguise, "10.0.0.1"))).create(5).status == 401


def test_a_name_through_a_trusted_network_is_believed(start_server: StartServer) -> None:
    server = start_server(AUTH_MODE="gateway", TRUSTED_PROXIES="10.0.0.0/8,127.0.0.0/8")
    assert Tus(as_user(Http(server.port), ANNA)).create(5).status == 201


def test_the_budget_of_open_uploads_is_each_owners_own(start_server: StartServer) -> None:
    http = Http(start_server(**GATEWAY, QUOTA_OPEN_UPLOADS="3").port)
    anna, bert = Tus(as_user(http, ANNA)), Tus(as_user(http, BERT))
    first, *_ = [anna.created(10) for _ in range(3)]
    refused = anna.create(10)
    assert 400 <= refused.status < 500 or refused.status == 507
    assert refused.header("Location") is None
    assert bert.create(10).status == 201
    assert anna.delete(first).status == 204
    assert anna.create(10).status == 201


@pytest.mark.parametrize("size", [3 * MIB, 10 * MIB])
def test_a_chunked_body_is_stopped_where_its_owners_quota_ends(start_server: StartServer, size: int) -> None:
    server = start_server(**GATEWAY, QUOTA_BYTES="2MiB")
    anna, bert = (Tus(as_user(Http(server.port), who)) for who in (ANNA, BERT))
    target = anna.created(None, ("Upload-Defer-Length", "1"))
    refused = anna.http.request("PUT", "/upload/a.bin", [CHUNKED], chunked(*[bytes(64 * 1024)] * (size // 65536)))
    assert (refused.status, refused.json()["code"]) == (413, "quota_exceeded")
    head = [VERSION, BYTES, CHUNKED, ("Upload-Offset", "0")]
    refused = anna.http.request("PATCH", target, head, chunked(*[bytes(64 * 1024)] * (size // 65536)))
    assert (refused.status, refused.json()["code"]) == (413, "quota_exceeded")
    offset = anna.offset(target)
    assert offset <= 2 * MIB
    assert anna.patch(target, offset, bytes(2 * MIB - offset), ("Upload-Length", str(2 * MIB))).status == 204
    assert anna.create(1).status == 413
    assert bert.create(2 * MIB).status == 201


def _make(tus: Tus, kind: str) -> str:
    """The target of an upload of ``tus``'s owner."""
    if kind == "form":
        file = tus.http.request("POST", "/upload", [MULTIPART], form(file_part(b"hello"))).json()["file"]
        return f"/uploads/{file['id']}"
    if kind == "completed":
        return tus.completed(b"hello")
    if kind == "partial":
        return tus.completed(b"hello", PARTIAL)
    target = target_of(tus.create(10))
    if kind == "begun":
        tus.patch(target, 0, b"abc")
    if kind == "aborted":
        tus.delete(target)
    return target


def _essence(tus: Tus, request: tuple[str, str, list[Header], bytes | None]) -> tuple[object, ...]:
    """All of an answer that may tell two cases apart: not the date, nor any id, nor how often was asked."""
    method, address, headers, body = request
    answer = tus.http.request(method, address, headers, body)
    assert 400 <= answer.status < 500, (method, address, answer)
    named = dict(answer.headers)
    own_id = named.pop("X-Request-Id", "")
    size = int(named.pop("Content-Length", "0")) - len(own_id)  # it stands in the body, too
    for name in ("Date", "RateLimit"):
        named.pop(name, None)
    return (answer.status, sorted(named.items()), size, _VARYING.sub(b"", answer.body))
