"""tus 1.0.0, concatenation: partial uploads joined into a final one. Contract §2.1; tus §Concatenation."""

import os
from collections.abc import Sequence

import pytest

from tests.e2e.conftest import StartServer, everywhere
from tests.e2e.tus import BYTES, VERSION, Tus, id_of, metadata, target_of
from tests.support.until import becomes
from tests.support.wire import Header, Http, Response

PARTIAL: Header = ("Upload-Concat", "partial")
UNKNOWN = "/uploads/" + "0123456789abcdef" * 2


def join(tus: Tus, parts: Sequence[str], *headers: Header) -> Response:
    return tus.http.request("POST", "/uploads", [VERSION, ("Upload-Concat", "final;" + " ".join(parts)), *headers])


def partials(tus: Tus, *contents: bytes) -> list[str]:
    return [tus.completed(content, PARTIAL) for content in contents]


@everywhere
def test_parts_are_joined_in_the_order_of_the_list(tus: Tus) -> None:
    assert "concatenation" in tus.extensions()
    first, second = partials(tus, b"hello", b" world")
    target = target_of(join(tus, [first, second]))
    answer = tus.head(target)
    assert (answer.header("Upload-Length"), answer.header("Upload-Offset")) == ("11", "11")
    assert tus.content(target) == b"hello world"
    assert tus.content(target_of(join(tus, [second, first]))) == b" worldhello"


@everywhere
def test_big_parts_are_joined_byte_for_byte(tus: Tus) -> None:
    contents = [os.urandom(size) for size in (1_000_003, 1, 0, 700_001, 4096)]
    target = target_of(join(tus, partials(tus, *contents)))
    assert tus.content(target) == b"".join(contents)


@everywhere
def test_fifty_parts_are_joined(tus: Tus) -> None:
    contents = [bytes([number]) * 10 for number in range(50)]
    assert tus.content(target_of(join(tus, partials(tus, *contents)))) == b"".join(contents)


@everywhere
def test_head_tells_the_concatenation_as_it_was_sent(tus: Tus) -> None:
    first, second = partials(tus, b"hello", b" world")
    assert tus.head(first).header("Upload-Concat") == "partial"
    assert tus.head(first).header("Upload-Offset") == "5"
    absolute = f"http://127.0.0.1:{tus.http.port}{second}"
    target = target_of(join(tus, [first, absolute]))
    assert tus.head(target).header("Upload-Concat") == f"final;{first} {absolute}"
    assert tus.content(target) == b"hello world"


@everywhere
def test_a_partial_upload_may_come_with_its_creation_or_deferred(tus: Tus) -> None:
    whole = target_of(tus.create(5, PARTIAL, body=b"hello"))
    deferred = tus.created(None, PARTIAL, ("Upload-Defer-Length", "1"))
    tus.patch(deferred, 0, b" world", ("Upload-Length", "6"))
    assert tus.content(target_of(join(tus, [whole, deferred]))) == b"hello world"


@everywhere
def test_a_part_may_be_used_twice(tus: Tus) -> None:
    (part,) = partials(tus, b"ab")
    assert tus.content(target_of(join(tus, [part, part]))) == b"abab"
    assert tus.content(target_of(join(tus, [part]))) == b"ab"


@everywhere
def test_the_metadata_of_the_parts_is_not_handed_on(tus: Tus) -> None:
    part = tus.completed(b"hello", PARTIAL, metadata(filename="part.bin"))
    bare = tus.head(target_of(join(tus, [part])))
    assert not bare.header("Upload-Metadata")
    own = metadata(filename="whole.bin")
    assert tus.head(target_of(join(tus, [part], own))).header("Upload-Metadata") == own[1]


@everywhere
def test_a_final_upload_takes_no_bytes(tus: Tus) -> None:
    first, second = partials(tus, b"hello", b" world")
    target = target_of(join(tus, [first, second]))
    for offset, body in ((11, b"!"), (0, b"HELLO"), (11, b"")):
        assert tus.patch(target, offset, body).status == 403
    assert tus.content(target) == b"hello world"


def test_a_final_upload_is_not_begun_with_bytes_of_its_own(tus: Tus) -> None:
    (part,) = partials(tus, b"hello")
    before = tus.open_uploads().keys()
    concat: Header = ("Upload-Concat", f"final;{part}")
    chunked: Header = ("Transfer-Encoding", "chunked")
    for headers, body in (
        ([BYTES], b"!"),
        ([], b"!"),
        ([BYTES, chunked], b"1\r\n!\r\n0\r\n\r\n"),
        ([BYTES], b"!" * 2**21),
    ):
        answer = tus.http.request("POST", "/uploads", [VERSION, concat, *headers], body)
        assert (answer.status, answer.json()["code"], answer.header("Location")) == (403, "upload_is_final", None)
    assert tus.open_uploads().keys() == before
    for headers, body in (([BYTES], b""), ([chunked], b"0\r\n\r\n")):
        target = target_of(tus.http.request("POST", "/uploads", [VERSION, concat, *headers], body))
        assert tus.content(target) == b"hello"


@everywhere
def test_a_final_upload_can_be_terminated_and_leaves_its_parts_usable(tus: Tus) -> None:
    (part,) = partials(tus, b"hello")
    target = target_of(join(tus, [part]))
    assert tus.delete(target).status == 204
    assert tus.content(target_of(join(tus, [part]))) == b"hello"


@everywhere
def test_terminating_a_part_leaves_the_final_upload_whole(tus: Tus) -> None:
    first, second = partials(tus, b"hello", b" world")
    target = target_of(join(tus, [first, second]))
    assert tus.http.request("DELETE", first).status == tus.delete(second).status == 204
    for part in (first, second):
        assert {tus.head(part).status, tus.delete(part).status, tus.patch(part, 5, b"").status} == {404}
        assert 400 <= join(tus, [part]).status < 500
    assert tus.content(target) == b"hello world"
    assert tus.head(target).header("Upload-Offset") == "11"


@pytest.mark.parametrize(
    "part",
    [
        UNKNOWN,
        "/uploads/../../etc/passwd",
        "/files/" + "0123456789abcdef" * 2,
        "http://evil.example/uploads/" + "0123456789abcdef" * 2,
        "file:///etc/passwd",
        "//evil.example/x",
        "http://[",
        "%",
        "/uploads",
        "-",
    ],
)
def test_foreign_parts_are_refused(tus: Tus, part: str) -> None:
    (own,) = partials(tus, b"hello")
    before = tus.open_uploads().keys()
    for parts in ([part], [own, part]):
        answer = join(tus, parts)
        assert 400 <= answer.status < 500
        assert answer.header("Location") is None
    assert tus.open_uploads().keys() == before


@everywhere
def test_a_terminated_part_is_refused(tus: Tus) -> None:
    (part,) = partials(tus, b"hello")
    tus.delete(part)
    assert 400 <= join(tus, [part]).status < 500


@everywhere
def test_an_upload_that_is_not_partial_is_refused_as_a_part(tus: Tus) -> None:
    ordinary = tus.completed(b"hello")
    final = target_of(join(tus, partials(tus, b"hello")))
    for part in (ordinary, final):
        assert 400 <= join(tus, [part]).status < 500
        assert tus.content(part) == b"hello"


def test_a_final_upload_with_a_length_is_refused(tus: Tus) -> None:
    """tus: the client MUST NOT include the Upload-Length header in the final upload creation."""
    (part,) = partials(tus, b"hello")
    assert join(tus, [part], ("Upload-Length", "5")).status == 400
    assert join(tus, [part], ("Upload-Defer-Length", "1")).status == 400


@pytest.mark.parametrize(
    "value", ["", "junk", "final", "final;", "final; ", "PARTIAL;", "partial;/uploads/x", ";", "final,/x"]
)
def test_a_malformed_concatenation_is_refused(tus: Tus, value: str) -> None:
    before = tus.open_uploads().keys()
    for length in ([], [("Upload-Length", "5")]):
        answer = tus.http.request("POST", "/uploads", [VERSION, ("Upload-Concat", value), *length])
        assert answer.status == 400
    assert tus.open_uploads().keys() == before


@everywhere
def test_unfinished_parts_are_refused_unless_promised(tus: Tus) -> None:
    finished = partials(tus, b"hello")[0]
    unfinished = tus.created(6, PARTIAL)
    tus.patch(unfinished, 0, b" wor")
    answer = join(tus, [finished, unfinished])
    if "concatenation-unfinished" not in tus.extensions():
        assert 400 <= answer.status < 500
        assert answer.header("Location") is None
        return
    target = target_of(answer)
    head = tus.head(target)
    assert (head.header("Upload-Offset"), head.header("Upload-Length")) == (None, "11")
    assert id_of(target) in tus.open_uploads()
    tus.patch(unfinished, 4, b"ld")
    assert becomes(lambda: tus.head(target).header("Upload-Offset") == "11")
    assert tus.content(target) == b"hello world"


@everywhere
def test_a_refused_join_can_be_tried_again_when_its_parts_are_finished(tus: Tus) -> None:
    first, second = tus.created(5, PARTIAL), tus.created(6, PARTIAL)
    join(tus, [first, second])
    tus.patch(first, 0, b"hello")
    tus.patch(second, 0, b" world")
    assert tus.content(target_of(join(tus, [first, second]))) == b"hello world"


def test_a_sum_over_the_maximum_is_refused(start_server: StartServer) -> None:
    tus = Tus(Http(start_server(MAX_UPLOAD_SIZE="100").port))
    parts = partials(tus, b"x" * 60, b"y" * 60)
    assert join(tus, parts).status == 413
    assert tus.content(target_of(join(tus, parts[:1]))) == b"x" * 60


def test_parts_are_bounded_by_number(tus: Tus) -> None:
    (part,) = partials(tus, b"x")
    final = tus.head(target_of(join(tus, [part] * 100)))
    assert final.header("Upload-Length") == "100"
    assert sum(len(name) + len(value) for name, value in final.headers) < 8 * 1024
    for names in ([part] * 101, [part] * 1200, [UNKNOWN] * 101):
        refused = join(tus, names)
        assert (refused.status, refused.json()["code"]) == (400, "too_many_parts")
    assert tus.content(target_of(join(tus, [part]))) == b"x"


@everywhere
def test_nothing_is_left_open_by_a_join(tus: Tus) -> None:
    parts = partials(tus, b"hello", b" world")
    final = target_of(join(tus, parts))
    assert not {id_of(target) for target in (*parts, final)} & tus.open_uploads().keys()


def test_joined_parts_do_not_use_up_the_budget_of_open_uploads(start_server: StartServer) -> None:
    """Else a client that uploads in parallel would lock itself out: nobody ever aborts the parts."""
    tus = Tus(Http(start_server(QUOTA_OPEN_UPLOADS="4").port))
    for _ in range(4):
        assert tus.content(target_of(join(tus, partials(tus, b"hello", b" world")))) == b"hello world"
