"""SHA-256 of whole files: told with the download, checked against what was announced, and bytes nobody need send twice.

RFC 9530 (``Repr-Digest``, ``Want-Repr-Digest``); tus metadata ``sha256``.
"""

import base64
import hashlib
import os
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import StartServer, on_each_database
from tests.e2e.ietf import COMPLETE, MORE, Ietf, digest
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, as_user
from tests.e2e.tus import Tus, id_of, metadata, target_of
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import until
from tests.support.wire import Header, Http, Response, chunked

WANT: Header = ("Want-Repr-Digest", "sha-256=10")


def digest_field(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def hexadecimal(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def announced(data: bytes, name: str = "a.bin") -> Header:
    return metadata(filename=name, sha256=hexadecimal(data))


def content(target: str) -> str:
    return f"/files/{id_of(target)}/content"


def digested(tus: Tus, data: bytes) -> str:
    """The target of a completed upload whose file's SHA-256 is known."""
    target = tus.completed(data, metadata(filename="a.bin"))
    assert tus.http.get(content(target), WANT).header("Repr-Digest") == digest_field(data)
    return target


# --- told


def test_a_file_has_its_digest_soon_after_the_completion(tus: Tus, http: Http) -> None:
    data = os.urandom(300_000)
    target = tus.completed(data)
    assert until(lambda: http.get(content(target)).header("Repr-Digest")) == digest_field(data)
    for headers in ([], [("Range", "bytes=0-0")]):
        assert http.get(content(target), *headers).header("Repr-Digest") == digest_field(data), "of the whole file"
    assert http.request("HEAD", content(target)).header("Repr-Digest") == digest_field(data)
    assert http.get(f"/files/{id_of(target)}").json()["sha256"] == hexadecimal(data)


def test_whoever_wants_the_digest_gets_it_at_once(start_server: StartServer) -> None:
    tus = Tus(Http(start_server().port))
    data = os.urandom(5_000_000)
    target = tus.completed(data)
    assert tus.http.get(content(target), WANT).header("Repr-Digest") == digest_field(data)


def test_whoever_wants_the_digest_gets_it_with_the_completion(start_server: StartServer) -> None:
    tus = Tus(Http(start_server().port))
    data = os.urandom(1_000_000)
    target = tus.created(len(data))
    assert tus.patch(target, 0, data[:10], WANT).header("Repr-Digest") is None
    assert tus.patch(target, 10, data[10:], WANT).header("Repr-Digest") == digest_field(data)
    assert tus.create(len(data), WANT, body=data).header("Repr-Digest") == digest_field(data)
    part = tus.completed(data, ("Upload-Concat", "partial"))
    assert tus.create(None, ("Upload-Concat", f"final;{part}"), WANT).header("Repr-Digest") == digest_field(data)
    put = tus.http.request("PUT", "/upload/a.bin", [WANT], data)
    assert (put.status, put.header("Repr-Digest")) == (201, digest_field(data))


def test_whoever_wants_the_digest_gets_it_with_the_completion_in_the_ietfs_dialect(start_server: StartServer) -> None:
    ietf = Ietf(Http(start_server().port))
    data = os.urandom(1_000_000)
    target = ietf.created(WANT, body=data[:10])
    assert ietf.patch(target, 10, data[10:20], MORE, WANT).header("Repr-Digest") is None
    for answer in (ietf.patch(target, 20, data[20:], COMPLETE, WANT), ietf.create(data, COMPLETE, WANT)):
        assert (answer.status, answer.header("Repr-Digest")) == (201, digest_field(data))
        assert answer.json()["sha256"] == hexadecimal(data)
    assert ietf.create(data, COMPLETE).header("Repr-Digest") is None


@pytest.mark.parametrize(
    "field", ["sha-256=0", "sha-512=10", "sha-256", "sha-256=11", "xsha-256=5", "", "junk=:=,", "a" * 9000]
)
def test_a_want_that_says_nothing_does_no_harm(tus: Tus, http: Http, field: str) -> None:
    assert http.get(content(tus.completed(b"x")), ("Want-Repr-Digest", field)).body == b"x"


def test_digests_are_made_up_for_after_a_crash(start_server: StartServer) -> None:
    """What is wanted is read though the process that completed the file is gone."""
    server = start_server()
    tus = Tus(Http(server.port))
    data = os.urandom(40_000_000)
    target = tus.completed(data)
    server.restart()
    assert tus.http.get(content(target), WANT).header("Repr-Digest") == digest_field(data)


# --- announced


@pytest.mark.parametrize("spelt", ["hex", "HEX", "base64"])
def test_the_announced_bytes_become_a_file(tus: Tus, http: Http, spelt: str) -> None:
    data = os.urandom(5_000_000)
    digest = hashlib.sha256(data)
    value = {"hex": digest.hexdigest(), "HEX": digest.hexdigest().upper()}.get(
        spelt, base64.b64encode(digest.digest()).decode()
    )
    target = tus.completed(data, metadata(filename="a.bin", sha256=value))
    answer = http.get(content(target))
    assert (answer.body, answer.header("Repr-Digest")) == (data, digest_field(data))


def test_other_bytes_are_refused_at_the_last_one_and_the_client_begins_again(tus: Tus, http: Http) -> None:
    data = os.urandom(1_000_000)
    target = tus.created(len(data), announced(data))
    assert tus.patch(target, 0, data[:500_000]).status == 204
    answer = tus.patch(target, 500_000, bytes(500_000))
    assert (answer.status, answer.json()["code"]) == (460, "sha256_mismatch")
    assert tus.head(target).status == 410, "an offset that looks complete would make a client believe it is"
    assert http.get(content(target)).status == 404
    assert tus.patch(target, 500_000, data[500_000:]).status == 410
    assert tus.content(tus.completed(data, announced(data))) == data


def test_other_bytes_with_the_creation_are_refused_as_well(tus: Tus) -> None:
    answer = tus.create(5, announced(b"hello"), body=b"jello")
    assert (answer.status, answer.header("Location")) == (460, None)
    assert tus.create(0, announced(b"hello")).status == 460
    assert tus.create(0, announced(b"")).status == 201


def test_joined_parts_are_checked_as_one(tus: Tus) -> None:
    parts = [tus.completed(data, ("Upload-Concat", "partial")) for data in (b"hello ", b"world")]
    join: Header = ("Upload-Concat", "final;" + " ".join(parts))
    assert tus.create(None, join, announced(b"other")).status == 460
    final = target_of(tus.create(None, join, announced(b"hello world")))
    assert tus.content(final) == b"hello world"


@pytest.mark.parametrize(
    "value", ["", "x", "ab" * 31, "ab" * 33, "zz" * 32, base64.b64encode(bytes(31)).decode(), b"\xff" * 32]
)
def test_a_digest_that_is_none_is_refused_and_nothing_created(tus: Tus, value: str | bytes) -> None:
    before = set(tus.open_uploads())
    answer = tus.create(5, metadata(sha256=value) if value else ("Upload-Metadata", "sha256"))
    assert answer.status == (400 if value else 201)
    if value:
        assert answer.json()["code"] == "invalid_checksum"
        assert set(tus.open_uploads()) == before


def test_a_server_killed_over_the_check_takes_it_up_again(start_server: StartServer) -> None:
    server = start_server()
    tus = Tus(Http(server.port))
    data = os.urandom(30_000_000)
    target = tus.created(len(data), announced(data))
    assert tus.patch(target, 0, data[:-1]).status == 204
    connection = tus.begin_patch(target, len(data) - 1, 1, data[-1:])
    time.sleep(0.03)
    server.restart()
    connection.close()
    if tus.offset(target) < len(data):
        assert tus.patch(target, len(data) - 1, data[-1:]).status == 204
    assert tus.content(target) == data


@pytest.mark.parametrize("version", ["8", "6", "3"])
def test_an_announced_digest_counts_in_the_ietfs_dialect_too(http: Http, version: str) -> None:
    data = os.urandom(50_000)
    ends: Header = ("Upload-Incomplete", "?0") if version == "3" else ("Upload-Complete", "?1")
    told: list[Header] = [("Upload-Draft-Interop-Version", version), ends, ("Repr-Digest", digest_field(data))]
    refused = http.request("POST", "/uploads", told, bytes(50_000))
    assert (refused.status, refused.json()["code"]) == (400, "digest_mismatch")
    first = http.request("POST", "/uploads", told, data)
    assert (first.status, first.json()["sha256"]) == (201, hexadecimal(data))
    known = http.request("POST", "/uploads", told, data)
    assert (known.status, known.json()["sha256"], known.json()["id"] != first.json()["id"]) == (
        201,
        hexadecimal(data),
        True,
    )
    assert http.get(f"/files/{known.json()['id']}/content").body == data


def test_an_announced_digest_counts_for_curl_t(http: Http) -> None:
    told: Header = ("Repr-Digest", digest_field(b"hello"))
    refused = http.request("PUT", "/upload/a.txt", [told], b"jello")
    assert (refused.status, refused.json()["code"]) == (400, "digest_mismatch")
    assert http.request("PUT", "/upload/a.txt", [told], b"hello").status == 201
    assert http.request("PUT", "/upload/a.txt", [("Repr-Digest", "sha-256=:AAAA:")], b"hello").status == 400


@pytest.mark.parametrize("body", [b"jello", b""])
@pytest.mark.parametrize("algorithm", ["sha-512", "sha-256"])
def test_of_another_body_than_was_announced_curl_t_leaves_nothing(
    start_server: StartServer, body: bytes, algorithm: str
) -> None:
    server = start_server()
    http = Http(server.port)
    told: Header = ("Content-Digest", digest(b"hello", algorithm))
    unknown_length: Header = ("Transfer-Encoding", "chunked")
    for headers, sent in (([told], body), ([told, unknown_length], chunked(body))):
        refused = http.request("PUT", "/upload/a.txt", headers, sent)
        assert (refused.status, refused.json()["code"]) == (400, "digest_mismatch")
        assert Tus(http).open_uploads() == {}
        assert blobs(server) == 0
    for headers, sent in (([told], b"hello"), ([told, unknown_length], chunked(b"hello"))):
        assert http.request("PUT", "/upload/a.txt", headers, sent).status == 201
    assert http.request("PUT", "/upload/a.txt", [("Content-Digest", "sha-256")], b"hello").status == 400


def every_way(http: Http, data: bytes, told: Header) -> Iterator[Response]:
    """A body with a digest field by each route that takes one, and what each answers."""
    yield http.request("PUT", "/upload/a.bin", [told], data)
    yield http.request("PUT", "/upload/a.bin", [told, ("Transfer-Encoding", "chunked")], chunked(data))
    yield Ietf(http).create(data, COMPLETE, told)
    if told[0] == "Content-Digest":
        yield Ietf(http).patch(Ietf(http).created(), 0, data, COMPLETE, told)
    else:
        target = Ietf(http).created(told, body=data[:5])
        yield Ietf(http).patch(target, 5, data[5:], COMPLETE)


@pytest.mark.parametrize("size", [5, 300_000, 3_000_000])
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_every_value_of_a_known_algorithm_is_compared(http: Http, field: str, size: int) -> None:
    data = os.urandom(size)
    right, wrong = ({name: digest(body, name) for name in ("sha-256", "sha-512")} for body in (data, data[:-1]))
    for value in (
        wrong["sha-512"],
        f"{right['sha-512']}, {wrong['sha-256']}",
        f"{wrong['sha-256']}, {right['sha-512']}",
        f"{wrong['sha-512']}, {right['sha-256']}",
        f"md5=:AAAA:, {right['sha-256']}, {wrong['sha-512']}, own",
    ):
        for answer in every_way(http, data, (field, value)):
            assert (answer.status, answer.json()["code"]) == (400, "digest_mismatch"), value
    for value in (right["sha-512"], f"{right['sha-256']}, md5=:AAAA:, {right['sha-512']}"):
        for answer in every_way(http, data, (field, value)):
            assert answer.status == 201, value


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_algorithms_that_are_not_known_are_passed_over_everywhere(http: Http, field: str) -> None:
    for answer in every_way(http, b"hello world", (field, "md5=:AAAA:, sha=:AAAA:, id-sha-512=:AA:")):
        assert answer.status == 201


def test_an_announced_sha512_survives_a_restart(start_server: StartServer) -> None:
    server = start_server()
    ietf = Ietf(Http(server.port))
    data = os.urandom(100_000)
    targets = [ietf.created(("Repr-Digest", digest(body, "sha-512")), body=data[:10]) for body in (data, b"other")]
    server.restart()
    answers = [ietf.patch(target, 10, data[10:], COMPLETE) for target in targets]
    assert [answer.status for answer in answers] == [201, 400]


# --- offered


def offer(tus: Tus, data: bytes, *headers: Header, length: int | None = None, body: bytes | None = None) -> Response:
    told: list[Header] = [("Upload-Defer-Length", "1")] if length is None else []
    return tus.create(length, announced(data, "again.bin"), *told, *headers, body=body)


@on_each_database
def test_bytes_that_are_there_need_not_be_sent(tus: Tus) -> None:
    data = os.urandom(200_000)
    digested(tus, data)
    for length in (len(data), None):
        answer = offer(tus, data, length=length)
        assert (answer.status, answer.header("Upload-Offset")) == (201, str(len(data)))
        target = target_of(answer)
        head = tus.head(target)
        assert (head.header("Upload-Offset"), head.header("Upload-Length")) == (str(len(data)),) * 2
        assert tus.content(target) == data
        assert tus.http.get(f"/files/{id_of(target)}").json()["name"] == "again.bin"
        # A client that did not look, and begins to send, is told where it is.
        assert tus.patch(target, 0, data).status == 409
        assert tus.patch(target, len(data), b"").status == 204


def test_bytes_that_come_along_all_the_same_are_not_needed(tus: Tus) -> None:
    data = os.urandom(50_000)
    digested(tus, data)
    answer = offer(tus, data, length=len(data), body=data)
    assert (answer.status, answer.header("Upload-Offset")) == (201, str(len(data)))


@on_each_database
def test_shared_bytes_stay_until_the_last_file_goes(tus: Tus) -> None:
    data = os.urandom(100_000)
    first = digested(tus, data)
    second, third = (target_of(offer(tus, data, length=len(data))) for _ in range(2))
    assert tus.http.request("DELETE", f"/files/{id_of(first)}").status == 204
    assert tus.content(second) == data
    assert tus.delete(second).status == 204
    assert tus.content(third) == data
    assert tus.http.request("DELETE", f"/files/{id_of(third)}").status == 204
    for target in (first, second, third):
        assert tus.http.get(content(target)).status == 404
    assert offer(tus, data, length=len(data)).header("Upload-Offset") is None


def test_no_blob_is_kept_or_made_for_shared_bytes_and_the_doctor_is_content(start_server: StartServer) -> None:
    server = start_server(CLEANUP_AFTER="100ms")
    tus = Tus(Http(server.port))
    data = os.urandom(100_000)
    targets = [digested(tus, data), *(target_of(offer(tus, data, length=len(data))) for _ in range(3))]
    assert blobs(server) == 1
    time.sleep(0.2)
    for target in targets:
        done = run_verb("doctor", "--scrub", data_dir=server.data_dir)
        assert done.returncode == 0, done.stdout
        assert blobs(server) == 1
        assert run_verb("cleanup", data_dir=server.data_dir, env={"CLEANUP_AFTER": "100ms"}).returncode == 0
        assert tus.content(target) == data
        tus.http.request("DELETE", f"/files/{id_of(target)}")
    assert blobs(server) == 0


def test_anothers_bytes_are_never_offered(start_server: StartServer) -> None:
    http = Http(start_server(**GATEWAY).port)
    anna, bert = (Tus(as_user(http, user_id)) for user_id in (ANNA, BERT))
    data = os.urandom(100_000)
    digested(anna, data)
    theirs = offer(bert, data, length=len(data))
    unknown = offer(bert, os.urandom(100_000), length=len(data))
    assert theirs.status == unknown.status == 201
    names = ("Upload-Offset", "Upload-Expires", "Content-Length")
    assert [bool(theirs.header(name)) for name in names] == [bool(unknown.header(name)) for name in names]
    assert bert.offset(target_of(theirs)) == 0
    assert offer(anna, data, length=len(data)).header("Upload-Offset") == str(len(data))


def blobs(server: ServerProcess) -> int:
    return sum(1 for path in (server.data_dir / "storage" / "blobs").rglob("*") if path.is_file())
