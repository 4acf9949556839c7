"""The IETF's resumable uploads: bodies that are long, short, chunked, slow, cut, and those that wait for a 100."""

import os
import time

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.ietf import (
    CHUNKED,
    COMPLETE,
    EXPECT,
    MORE,
    PARTIAL,
    Ietf,
    assert_inconsistent,
    digest,
)
from tests.e2e.tus import Tus, odd_pieces, target_of
from tests.support.until import becomes
from tests.support.wire import Connection, Header, Http, Response, chunked

KIB, MIB = 1024, 1024 * 1024
SHORT = 100 * KIB  # fed by Tornado
LARGE = 5 * MIB + 11  # read from the socket in a thread

any_size = pytest.mark.parametrize("size", [SHORT, LARGE])


@pytest.fixture(scope="module")
def ietf(http: Http) -> Ietf:
    return Ietf(http)


def length(size: int) -> Header:
    return ("Content-Length", str(size))


def reaches(ietf: Ietf, target: str, offset: int) -> bool:
    """Whether a HEAD tells that offset soon: what was sent before a cut may still be on its way."""
    return becomes(lambda: ietf.stands(target) == ("?0", offset))


# --- whole bodies


@any_size
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_is_stored_to_the_byte_with_its_creation(ietf: Ietf, size: int, framing: str) -> None:
    content = os.urandom(size)
    if framing == "chunked":
        answer = ietf.create(chunked(*odd_pieces(content)), COMPLETE, CHUNKED)
    else:
        answer = ietf.create(content, COMPLETE, ("Content-Digest", digest(content)))
    assert (answer.status, answer.header("Upload-Offset")) == (201, str(size))
    assert [interim.status for interim in answer.interim][:1] == [104]
    assert ietf.content(target_of(answer)) == content


@any_size
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_bodies_are_appended_to_the_byte(ietf: Ietf, size: int, framing: str) -> None:
    content = os.urandom(2 * size)
    target = ietf.created()
    for at, word in ((0, MORE), (size, COMPLETE)):
        part = content[at : at + size]
        body = chunked(*odd_pieces(part)) if framing == "chunked" else part
        answer = ietf.patch(target, at, body, word, *([CHUNKED] if framing == "chunked" else []))
        assert answer.header("Upload-Offset") == str(at + size)
    assert answer.header("Upload-Complete") == "?1"
    assert ietf.content(target) == content


@pytest.mark.parametrize(("named", "statuses"), [([], []), ([("Via", "1.1 front")], [104])])
def test_a_proxy_that_names_itself_passes_interim_responses_on(
    ietf: Ietf, named: list[Header], statuses: list[int]
) -> None:
    answer = ietf.create(b"", MORE, ("X-Forwarded-For", "203.0.113.9"), *named)
    assert [interim.status for interim in answer.interim] == statuses


@any_size
def test_the_connection_lives_on_behind_interim_responses(ietf: Ietf, size: int) -> None:
    content = os.urandom(size)
    with ietf.http.connect() as connection:
        for _ in range(3):
            head = connection.head_bytes("POST", "/uploads", [*ietf.spoken, COMPLETE, length(size)])
            connection.send(head + content)
            answer = connection.receive()
            assert (answer.status, answer.interim[0].status) == (201, 104)
            connection.send_head("GET", target_of(answer))
            assert connection.receive().body == content


def test_a_large_creation_of_tus_goes_the_same_way(tus: Tus) -> None:
    content = os.urandom(LARGE)
    answer = tus.create(LARGE, body=content)
    assert (answer.status, answer.header("Upload-Offset")) == (201, str(LARGE))
    assert tus.content(target_of(answer)) == content


# --- chunked bodies, whose end nobody announced


def test_a_chunked_body_that_ends_before_its_length_does_not_complete(ietf: Ietf) -> None:
    target = ietf.created(("Upload-Length", "10"))
    assert_inconsistent(ietf.patch(target, 0, chunked(b"hello"), COMPLETE, CHUNKED))
    assert ietf.stands(target) == ("?0", 5)
    assert ietf.patch(target, 5, chunked(b"world"), COMPLETE, CHUNKED).status == 201
    assert ietf.content(target) == b"helloworld"


def test_a_chunked_creation_that_ends_before_its_length_is_refused(ietf: Ietf, tus: Tus) -> None:
    before = tus.open_uploads().keys()
    assert_inconsistent(ietf.create(chunked(b"hello"), COMPLETE, CHUNKED, ("Upload-Length", "10")))
    assert tus.open_uploads().keys() == before


def test_an_empty_chunked_body_completes_what_is_there(ietf: Ietf) -> None:
    target = ietf.created(body=b"hello")
    assert ietf.patch(target, 5, chunked(), COMPLETE, CHUNKED).status == 201
    assert ietf.create(chunked(), COMPLETE, CHUNKED).json()["size"] == 0


# --- progress


@any_size
@pytest.mark.parametrize("way", ["create", "append"])
def test_a_slow_body_is_told_how_far_it_has_come(ietf: Ietf, size: int, way: str) -> None:
    content = os.urandom(size)
    if way == "append":
        connection = ietf.begin_patch(ietf.created(), 0, COMPLETE, length(size))
    else:
        connection = ietf.begin("POST", "/uploads", COMPLETE, length(size))
        connection.receive_interim()
    with connection:
        told = []
        for start in range(0, size, size // 4):
            connection.send(content[start : start + size // 4])
            time.sleep(0.7)
        answer = connection.receive("PATCH")
    assert answer.status == 201
    assert answer.interim, "not a word in three seconds"
    for interim in answer.interim:
        assert (interim.status, interim.header("Upload-Draft-Interop-Version")) == (104, "8")
        assert interim.header("Location") is None
        told.append(int(interim.header("Upload-Offset") or -1))
    assert told == sorted(told)
    assert 0 < told[-1] <= size
    assert ietf.content(f"/files/{answer.json()['id']}/content") == content


def test_what_was_told_survives_a_kill(start_server: StartServer) -> None:
    server = start_server()
    ietf = Ietf(Http(server.port))
    content = os.urandom(LARGE)
    with ietf.begin("POST", "/uploads", COMPLETE, length(LARGE), sent=content[: 2 * MIB]) as connection:
        target = connection.receive_interim().header("Location") or ""
        told = int(connection.receive_interim().header("Upload-Offset") or -1)
        server.kill()
    server.start()
    completeness, offset = ietf.stands(target)
    assert completeness == "?0"
    assert 0 < told <= offset
    assert ietf.patch(target, offset, content[offset:], COMPLETE).status == 201
    assert ietf.content(target) == content


@any_size
def test_a_client_that_never_reads_is_served_all_the_same(ietf: Ietf, size: int) -> None:
    content = os.urandom(size)
    with ietf.begin_patch(target := ietf.created(), 0, COMPLETE, length(size)) as connection:
        for start in range(0, size, size // 3):
            connection.send(content[start : start + size // 3])
            time.sleep(0.6)
        assert connection.receive("PATCH").status == 201
    assert ietf.content(target) == content


# --- Expect: 100-continue


@any_size
def test_the_100_comes_after_the_104(ietf: Ietf, size: int) -> None:
    content = os.urandom(size)
    with ietf.begin("POST", "/uploads", COMPLETE, length(size), EXPECT) as connection:
        assert [connection.receive_interim().status for _ in range(2)] == [104, 100]
        connection.send(content)
        answer = connection.receive()
    assert answer.status == 201
    assert ietf.content(target_of(answer)) == content


@any_size
def test_an_append_is_told_to_continue(ietf: Ietf, size: int) -> None:
    with ietf.begin_patch(ietf.created(), 0, COMPLETE, length(size), EXPECT) as connection:
        assert connection.receive_interim().status == 100
        connection.send(os.urandom(size))
        assert connection.receive("PATCH").status == 201


REFUSED: list[tuple[int, list[Header]]] = [
    (400, []),
    (400, [("Upload-Complete", "yes")]),
    (400, [COMPLETE, ("Upload-Length", "7")]),
    (400, [COMPLETE, ("Upload-Length", "junk")]),
    (400, [COMPLETE, ("Upload-Offset", "1")]),
    (400, [COMPLETE, ("Content-Digest", "sha-256")]),
    (400, [COMPLETE, ("Repr-Digest", "sha-256=:AAAA:")]),
    (413, [MORE, ("Upload-Length", "999999999999999")]),
    (413, [MORE, ("Upload-Length", "7")]),
    (415, [COMPLETE, ("Content-Encoding", "gzip")]),
]


@any_size
@pytest.mark.parametrize(("status", "headers"), REFUSED)
def test_a_refused_creation_gets_its_answer_and_nothing_before_it(
    ietf: Ietf, tus: Tus, status: int, headers: list[Header], size: int
) -> None:
    before = tus.open_uploads().keys()
    with ietf.begin("POST", "/uploads", *headers, length(size), EXPECT) as connection:
        answer = connection.receive(within=5)
    assert (answer.status, answer.interim, answer.header("Upload-Complete")) == (status, (), "?0")
    assert tus.open_uploads().keys() == before


@any_size
def test_a_refused_append_gets_its_answer_without_its_body(ietf: Ietf, size: int) -> None:
    target = ietf.created(body=b"hello")
    with ietf.begin_patch(target, 4, COMPLETE, length(size), EXPECT) as connection:
        answer = connection.receive("PATCH", within=5)
    assert (answer.status, answer.interim, answer.header("Upload-Offset")) == (409, (), "5")


# --- cuts


def cut(connection: Connection, how: str) -> Response | None:
    """End the request in the middle of its body; the answer, where the client can still hear one."""
    if how == "reset":
        connection.reset()
        return None
    connection.finish_sending()
    try:
        return connection.receive(within=5)
    except ConnectionError:
        return None


@any_size
@pytest.mark.parametrize("how", ["reset", "fin"])
def test_a_creation_that_is_cut_goes_on_from_the_location_of_its_104(ietf: Ietf, size: int, how: str) -> None:
    content = os.urandom(size)
    sent = size * 2 // 3
    with ietf.begin("POST", "/uploads", COMPLETE, length(size)) as connection:
        target = connection.receive_interim().header("Location") or ""
        connection.send(content[:sent])
        time.sleep(0.3)  # a reset may take what is still in the pipe with it
        answer = cut(connection, how)
    assert answer is None or (answer.status, answer.header("Upload-Complete")) == (503, "?0")
    assert reaches(ietf, target, sent)
    assert ietf.head(target).header("Upload-Length") == str(size)
    assert ietf.patch(target, sent, content[sent:], COMPLETE).status == 201
    assert ietf.content(target) == content


@any_size
def test_a_chunked_creation_that_is_cut_is_not_complete(ietf: Ietf, size: int) -> None:
    content = os.urandom(size)
    body = chunked(content)[: -len("0\r\n\r\n")]  # every byte, but not the end
    with ietf.begin("POST", "/uploads", COMPLETE, CHUNKED) as connection:
        target = connection.receive_interim().header("Location") or ""
        connection.send(body)
        time.sleep(0.3)
        cut(connection, "reset")
    assert reaches(ietf, target, size)
    assert ietf.patch(target, size, b"", COMPLETE).status == 201
    assert ietf.content(target) == content


@any_size
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_an_append_that_is_cut_keeps_its_prefix_and_is_not_complete(ietf: Ietf, size: int, framing: str) -> None:
    content = os.urandom(size)
    target, sent = ietf.created(), size // 2
    headers, body = (
        ([CHUNKED], chunked(content[:sent])[: -len("0\r\n\r\n")])
        if framing == "chunked"
        else ([length(size)], content[:sent])
    )
    with ietf.begin_patch(target, 0, COMPLETE, *headers, sent=body) as connection:
        time.sleep(0.3)
        cut(connection, "reset")
    assert reaches(ietf, target, sent)
    assert ietf.patch(target, sent, content[sent:], COMPLETE).status == 201
    assert ietf.content(target) == content


@any_size
def test_of_a_cut_body_with_a_digest_nothing_counts(ietf: Ietf, size: int) -> None:
    content = os.urandom(size)
    target = ietf.created()
    own: Header = ("Content-Digest", digest(content))
    with ietf.begin_patch(target, 0, COMPLETE, length(size), own, sent=content[: size // 2]) as connection:
        time.sleep(0.3)
        cut(connection, "reset")
    assert ietf.stands(target) == ("?0", 0)
    assert ietf.patch(target, 0, content, COMPLETE, own).status == 201


def test_a_client_whose_last_answer_got_lost_finds_out(ietf: Ietf) -> None:
    with ietf.begin("POST", "/uploads", COMPLETE, length(5)) as connection:
        target = connection.receive_interim().header("Location") or ""
        connection.send(b"hello")
        connection.has_data(within=5)
        connection.reset()
    assert ietf.stands(target) == ("?1", 5)
    assert ietf.content(target) == b"hello"


@pytest.mark.parametrize("size", [600 * KIB, LARGE])  # what fits into memory (256 KiB) counts once it is whole
def test_a_server_that_is_killed_keeps_what_came(start_server: StartServer, size: int) -> None:
    server = start_server()
    ietf = Ietf(Http(server.port))
    content = os.urandom(size)
    with ietf.begin("POST", "/uploads", COMPLETE, length(size), sent=content[: size // 2]) as connection:
        target = connection.receive_interim().header("Location") or ""
        time.sleep(1.5)
        server.kill()
    server.start()
    assert reaches(ietf, target, size // 2)
    assert ietf.patch(target, size // 2, content[size // 2 :], COMPLETE).status == 201
    assert ietf.content(target) == content


# --- one connection for all


def test_a_connection_carries_one_append_after_the_other(ietf: Ietf) -> None:
    """Also small ones, whose heads differ in nothing but the offset, and one that is told how far it has come."""
    piece = os.urandom(1000)
    target = ietf.created()
    with ietf.http.connect() as connection:

        def send(at: int, size: int, word: Header) -> None:
            headers = [*ietf.spoken, PARTIAL, ("Upload-Offset", str(at)), word, length(size)]
            connection.send(connection.head_bytes("PATCH", target, headers))

        for at in range(0, 5000, 1000):
            send(at, 1000, MORE)
            connection.send(piece)
            answer = connection.receive("PATCH")
            assert (answer.status, answer.header("Upload-Offset")) == (204, str(at + 1000))
        send(0, 1000, MORE)
        connection.send(piece)
        assert connection.receive("PATCH").status == 409
        send(5000, 600 * KIB, MORE)
        for _ in range(3):
            connection.send(b"x" * 200 * KIB)
            time.sleep(0.7)
        slow = connection.receive("PATCH")
        assert slow.status == 204
        assert {interim.status for interim in slow.interim} == {104}
        send(5000 + 600 * KIB, 1000, COMPLETE)
        connection.send(piece)
        assert connection.receive("PATCH").header("Upload-Complete") == "?1"
    assert ietf.content(target) == piece * 5 + b"x" * 600 * KIB + piece
