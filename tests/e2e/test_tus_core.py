"""tus 1.0.0, core protocol, over real sockets. Contract §2.1; sections are those of the tus protocol."""

import os
import time
from typing import Any

import pytest

from tests.e2e.conftest import everywhere
from tests.e2e.tus import BYTES, VERSION, Tus, id_of, metadata, odd_pieces, target_of
from tests.support.wire import Header, Http, chunked

UNKNOWN_VERSIONS = ["0.2.2", "1.0", "1.0.1", "2.0.0", "1.0.0, 0.2.2", "one", ""]
# What a 128-bit id of 32 hex digits is not. A real id's relatives are made in the test itself.
STRANGE_IDS = [
    "0",
    "1",
    "unknown",
    "0" * 31,
    "0" * 33,
    "g" * 32,
    "A" * 4096,
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cfiles.db",
    "%00",
    "%0d%0aX-Evil:1",
    "%ff%fe",
    "%F0%9F%9A%A2",
    "00000000-0000-0000-0000-000000000000",
    "*",
    "~",
    "nul",
]
VERBS = ["HEAD", "PATCH", "DELETE", "GET"]


# --- OPTIONS


def test_options_tell_what_the_server_can_do(tus: Tus) -> None:
    answer = tus.options()
    assert answer.status in (200, 204)
    assert answer.header("Tus-Version") == "1.0.0"
    assert answer.header("Tus-Max-Size") == str(50 * 1024**3)
    assert answer.words("Tus-Extension") >= {
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "checksum",
        "expiration",
        "termination",
        "concatenation",
    }
    assert answer.words("Tus-Checksum-Algorithm") == {"sha1", "sha256", "md5", "crc32"}


@pytest.mark.parametrize("version", ["1.0.0", "0.2.2", "nonsense"])
def test_options_ignore_the_version(tus: Tus, version: str) -> None:
    answer = tus.options(("Tus-Resumable", version))
    assert answer.status in (200, 204)
    assert answer.header("Tus-Version") == "1.0.0"


def test_options_of_an_upload_tell_the_same(tus: Tus) -> None:
    assert tus.options(target=tus.created(10)).header("Tus-Version") == "1.0.0"


# --- the version


@pytest.mark.parametrize("version", [None, *UNKNOWN_VERSIONS])
def test_nothing_is_created_without_a_known_version(tus: Tus, version: str | None) -> None:
    before = tus.open_uploads().keys()
    answer = tus.http.request("POST", "/uploads", [*_version(version), ("Upload-Length", "10")])
    assert answer.status == 412
    assert answer.header("Tus-Version") == "1.0.0"
    assert answer.header("Location") is None
    assert tus.open_uploads().keys() == before


@pytest.mark.parametrize(
    ("verb", "version"), [("HEAD", "0.2.2"), ("GET", "0.2.2"), ("DELETE", "0.2.2"), ("PATCH", "0.2.2"), ("PATCH", None)]
)
def test_nothing_is_done_to_an_upload_without_a_known_version(tus: Tus, verb: str, version: str | None) -> None:
    """HEAD, GET and DELETE that name none are the IETF's (test_resumable.py)."""
    target = tus.created(10)
    content: list[Header] = [BYTES, ("Upload-Offset", "0")] if verb == "PATCH" else []
    body = b"hello" if verb == "PATCH" else None
    answer = tus.http.request(verb, target, [*_version(version), *content], body)
    assert answer.status == 412
    assert answer.header("Tus-Version") == "1.0.0"
    assert tus.offset(target) == 0


def test_every_answer_names_the_version(tus: Tus) -> None:
    created = tus.create(10)
    target = target_of(created)
    answers = [
        created,
        tus.head(target),
        tus.patch(target, 0, b"hello"),
        tus.patch(target, 3, b"hello"),
        tus.create("junk"),
        tus.head("/uploads/" + "0" * 32),
        tus.http.request("POST", "/uploads"),
        tus.http.get(target, VERSION),
        tus.delete(target),
    ]
    assert [answer.status for answer in answers] == [201, 200, 204, 409, 400, 404, 412, 200, 204]
    assert [answer.header("Tus-Resumable") for answer in answers] == ["1.0.0"] * len(answers)


# --- HEAD


@everywhere
def test_head_tells_where_the_upload_stands(tus: Tus) -> None:
    target = tus.created(100)
    assert tus.patch(target, 0, b"x" * 70).status == 204
    answer = tus.head(target)
    assert answer.status == 200
    assert answer.header("Upload-Offset") == "70"
    assert answer.header("Upload-Length") == "100"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Upload-Defer-Length") is None


@everywhere
def test_head_tells_the_offset_of_a_new_and_of_a_completed_upload(tus: Tus) -> None:
    new = tus.head(tus.created(5))
    assert (new.status, new.header("Upload-Offset")) == (200, "0")
    completed = tus.head(tus.completed(b"hello"))
    assert (completed.status, completed.header("Upload-Offset")) == (200, "5")
    assert completed.header("Upload-Length") == "5"
    assert completed.header("Cache-Control") == "no-store"


@everywhere
def test_head_of_an_unknown_upload_has_no_offset(tus: Tus) -> None:
    answer = tus.head("/uploads/" + "0123456789abcdef" * 2)
    assert answer.status == 404
    assert answer.header("Upload-Offset") is None


# --- PATCH


@everywhere
def test_the_new_offset_is_the_old_one_and_what_came(tus: Tus) -> None:
    target = tus.created(11)
    first = tus.patch(target, 0, b"hello")
    assert (first.status, first.header("Upload-Offset"), first.body) == (204, "5", b"")
    second = tus.patch(target, 5, b" world")
    assert (second.status, second.header("Upload-Offset")) == (204, "11")
    assert tus.content(target) == b"hello world"


@everywhere
def test_a_body_of_many_buffers_arrives_byte_for_byte(tus: Tus) -> None:
    content = os.urandom(3 * 1024 * 1024 + 17)
    target = tus.created(len(content))
    cut = 1024 * 1024 + 1
    assert tus.patch(target, 0, content[:cut]).header("Upload-Offset") == str(cut)
    assert tus.patch(target, cut, content[cut:]).status == 204
    assert tus.content(target) == content


@everywhere
@pytest.mark.parametrize("size", [200_000, 3_000_000])
@pytest.mark.parametrize("expects", [False, True])
def test_a_body_that_follows_its_head_with_pauses_arrives_byte_for_byte(tus: Tus, size: int, expects: bool) -> None:
    """However the bytes fall into the server's reads: with the head, after it, in spurts."""
    content = os.urandom(size)
    for pause, pieces in ((0, 1), (0.001, 1), (0, 3), (0.003, 1), (0.01, 3), (0, 1), (0.03, 3), (0.002, 1)):
        target = tus.created(size)
        expect: list[Header] = [("Expect", "100-continue")] if expects else []
        with tus.begin_patch(target, 0, size, b"", *expect) as connection:
            if expects:
                assert connection.has_data(within=5), "no 100 came"
            for start in range(0, size, size // pieces):
                time.sleep(pause)
                connection.send(content[start : start + size // pieces])
            answer = connection.receive("PATCH", within=5)
        assert (answer.status, answer.header("Upload-Offset")) == (204, str(size))
        assert tus.content(target) == content


@everywhere
@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_a_request_right_behind_a_body_is_answered(tus: Tus, size: int) -> None:
    content = os.urandom(size)
    target = tus.created(2 * size)
    with tus.http.connect() as connection:
        for offset in (0, size):
            framing: list[Header] = [("Upload-Offset", str(offset)), ("Content-Length", str(size))]
            patch = connection.head_bytes("PATCH", target, [VERSION, BYTES, *framing]) + content
            connection.send(patch + connection.head_bytes("HEAD", target, [VERSION]))
            assert connection.receive("PATCH").status == 204
            assert connection.receive("HEAD").header("Upload-Offset") == str(offset + size)
    assert tus.content(target) == content * 2


@everywhere
@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_a_refused_body_changes_nothing_and_the_answer_arrives(tus: Tus, size: int) -> None:
    target = tus.created(size)
    body = b"x" * size
    offset: Header = ("Upload-Offset", "0")
    refusals: list[tuple[int, str, list[Header]]] = [
        (409, target, [VERSION, BYTES, ("Upload-Offset", "1")]),
        (400, target, [VERSION, BYTES, ("Upload-Offset", "junk")]),
        (415, target, [VERSION, offset]),
        (412, target, [BYTES, offset]),
        (404, "/uploads/junk", [VERSION, BYTES, offset]),
        (400, target, [VERSION, BYTES, offset, ("Upload-Checksum", "sha512 aGVsbG8=")]),
        (413, tus.created(size - 1), [VERSION, BYTES, offset]),
    ]
    for status, address, headers in refusals:
        assert tus.http.request("PATCH", address, headers, body).status == status
    assert tus.offset(target) == 0


@everywhere
def test_a_chunked_body_arrives_byte_for_byte(tus: Tus) -> None:
    content = os.urandom(300_000)
    target = tus.created(len(content))
    framing: list[Header] = [("Transfer-Encoding", "chunked"), ("Upload-Offset", "0")]
    answer = tus.http.request("PATCH", target, [VERSION, BYTES, *framing], chunked(*odd_pieces(content)))
    assert (answer.status, answer.header("Upload-Offset")) == (204, str(len(content)))
    assert tus.content(target) == content


@everywhere
def test_a_chunked_body_may_stop_before_the_length(tus: Tus) -> None:
    target = tus.created(10)
    framing: list[Header] = [("Transfer-Encoding", "chunked"), ("Upload-Offset", "0")]
    answer = tus.http.request("PATCH", target, [VERSION, BYTES, *framing], chunked(b"he", b"l"))
    assert (answer.status, answer.header("Upload-Offset")) == (204, "3")


@everywhere
def test_one_connection_serves_many_requests(tus: Tus) -> None:
    target = tus.created(30)
    with tus.http.connect() as connection:
        for offset in range(0, 30, 10):
            headers: list[Header] = [VERSION, BYTES, ("Upload-Offset", str(offset)), ("Content-Length", "10")]
            connection.send(connection.head_bytes("PATCH", target, headers) + bytes([65 + offset]) * 10)
            assert connection.receive("PATCH").status == 204
        connection.send_head("HEAD", target, [VERSION])
        assert connection.receive("HEAD").header("Upload-Offset") == "30"


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain", "offset+octet-stream", ""])
def test_another_content_type_is_refused(tus: Tus, content_type: str | None) -> None:
    target = tus.created(5)
    named: list[Header] = [] if content_type is None else [("Content-Type", content_type)]
    answer = tus.http.request("PATCH", target, [VERSION, ("Upload-Offset", "0"), *named], b"hello")
    assert answer.status == 415
    assert tus.offset(target) == 0


@everywhere
@pytest.mark.parametrize("offset", [0, 2, 4, 10, 999_999_999_999_999])
def test_a_wrong_offset_is_refused_and_changes_nothing(tus: Tus, offset: int) -> None:
    target = tus.created(10)
    tus.patch(target, 0, b"abc")
    answer = tus.patch(target, offset, b"XXXX")
    assert answer.status == 409
    assert tus.offset(target) == 3
    assert tus.patch(target, 3, b"defghij").status == 204
    assert tus.content(target) == b"abcdefghij"


def test_a_body_without_an_offset_is_refused(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.http.request("PATCH", target, [VERSION, BYTES], b"hello").status == 400
    assert tus.offset(target) == 0


def test_an_offset_may_have_leading_zeros(tus: Tus) -> None:
    target = tus.created(10)
    tus.patch(target, 0, b"abcdefg")
    assert tus.patch(target, "007", b"hij").status == 204
    assert tus.content(target) == b"abcdefghij"


@everywhere
def test_more_bytes_than_the_length_are_refused(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"hello world").status == 413
    _finish_and_check(tus, target, b"hello")


@everywhere
def test_more_bytes_than_the_length_in_a_second_body_are_refused(tus: Tus) -> None:
    target = tus.created(5)
    tus.patch(target, 0, b"hel")
    assert tus.patch(target, 3, b"lo world").status == 413
    _finish_and_check(tus, target, b"hello")


@everywhere
def test_more_bytes_than_the_length_in_a_chunked_body_are_refused(tus: Tus) -> None:
    content = os.urandom(100_000)
    target = tus.created(len(content))
    framing: list[Header] = [("Transfer-Encoding", "chunked"), ("Upload-Offset", "0")]
    body = chunked(content, b"too much")
    assert tus.http.request("PATCH", target, [VERSION, BYTES, *framing], body).status == 413
    _finish_and_check(tus, target, content)


@everywhere
def test_bytes_for_a_completed_upload_are_refused(tus: Tus) -> None:
    target = tus.completed(b"hello")
    assert tus.patch(target, 5, b"!").status == 413
    assert tus.patch(target, 0, b"HELLO").status == 409
    assert tus.content(target) == b"hello"


@everywhere
def test_an_empty_body_in_the_middle_changes_nothing(tus: Tus) -> None:
    target = tus.created(10)
    tus.patch(target, 0, b"abc")
    answer = tus.patch(target, 3, b"")
    assert (answer.status, answer.header("Upload-Offset")) == (204, "3")


@everywhere
def test_an_empty_body_at_the_end_completes_nothing_again(tus: Tus) -> None:
    target = tus.completed(b"hello")
    before = tus.http.get(target)
    answer = tus.patch(target, 5, b"")
    assert (answer.status, answer.header("Upload-Offset")) == (204, "5")
    after = tus.http.get(target)
    assert after.body == b"hello"
    for validator in ("ETag", "Last-Modified"):  # a second completion would have made another file
        assert after.header(validator) == before.header(validator)


@everywhere
def test_a_patch_to_an_unknown_upload_is_refused(tus: Tus) -> None:
    assert tus.patch("/uploads/" + "0123456789abcdef" * 2, 0, b"hello").status == 404


# --- GET


@everywhere
def test_a_completed_upload_answers_its_content(tus: Tus) -> None:
    target = tus.completed(b"\x00\xffcontent\r\n\r\n", metadata(filename="a.bin"))
    answer = tus.http.get(target)
    assert (answer.status, answer.body) == (200, b"\x00\xffcontent\r\n\r\n")
    assert answer.header("X-Content-Type-Options") == "nosniff"


@everywhere
def test_an_unfinished_upload_shows_none_of_its_bytes(tus: Tus) -> None:
    target = tus.created(100)
    tus.patch(target, 0, b"secret-so-far")
    answer = tus.http.get(target)  # may tell where the upload stands, or that there is nothing yet
    assert answer.status < 500
    assert b"secret-so-far" not in answer.body


def test_a_get_of_tus_tells_what_head_tells_and_gives_what_get_gives(tus: Tus) -> None:
    named = metadata(filename="a.txt")
    target = tus.created(11, named)
    tus.patch(target, 0, b"hello")
    answer = tus.http.get(target, VERSION)
    assert (answer.status, answer.json()["offset"]) == (200, 5)
    fields = ("Upload-Offset", "Upload-Length", "Upload-Metadata", "Tus-Resumable", "Cache-Control")
    assert [answer.header(name) for name in fields] == ["5", "11", named[1], "1.0.0", "no-store"]
    assert answer.header("Upload-Expires") is not None
    tus.patch(target, 5, b" world")
    answer = tus.http.get(target, VERSION, ("Range", "bytes=6-"))
    assert (answer.status, answer.body) == (206, b"world")
    assert [answer.header(name) for name in fields[:4]] == ["11", "11", named[1], "1.0.0"]
    assert tus.http.get(tus.created(None, ("Upload-Defer-Length", "1")), VERSION).header("Upload-Defer-Length") == "1"


def test_a_get_of_tus_ends_nobodys_request(tus: Tus) -> None:
    target = tus.created(10)
    with tus.begin_patch(target, 0, 10, b"hello") as sending:
        assert tus.http.get(target, VERSION).status == tus.http.get(target).status == 200
        assert not sending.has_data(within=0.2)
        sending.send(b"world")
        assert sending.receive("PATCH").header("Upload-Offset") == "10"


@everywhere
def test_open_uploads_are_listed_for_another_device(tus: Tus) -> None:
    told = metadata(filename="holiday.mov", lastModified="1234567890000")
    unfinished = tus.created(100, told)
    tus.patch(unfinished, 0, b"x" * 40)
    completed, aborted = tus.completed(b"done"), tus.created(5)
    tus.delete(aborted)
    listed = tus.open_uploads()
    assert id_of(completed) not in listed and id_of(aborted) not in listed
    entry = listed[id_of(unfinished)]
    assert (entry["offset"], entry["length"], entry["filename"]) == (40, 100, "holiday.mov")
    assert ("Upload-Metadata", entry["metadata"]) == told


@everywhere
def test_a_listed_upload_can_be_gone_on_with(tus: Tus) -> None:
    """All that another device knows is the list."""
    made = tus.created(10)
    tus.patch(made, 0, b"first")
    entry: Any = tus.open_uploads()[id_of(made)]
    target = f"/uploads/{entry['id']}"
    assert tus.patch(target, entry["offset"], b" half").status == 204
    assert tus.content(target) == b"first half"


@pytest.mark.parametrize("state", ["closed", "OPEN'--", "%00"])
def test_a_strange_state_to_list_is_refused(http: Http, state: str) -> None:
    assert 400 <= http.get(f"/uploads?state={state}").status < 500


# --- addresses


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("strange", STRANGE_IDS, ids=lambda text: text[:20])
def test_what_is_not_an_id_is_not_found(tus: Tus, verb: str, strange: str) -> None:
    assert _ask(tus, verb, f"/uploads/{strange}") == 404


@pytest.mark.parametrize("verb", VERBS)
def test_a_near_miss_of_an_id_is_not_found(tus: Tus, verb: str) -> None:
    target = tus.completed(b"hello")
    for near in (target[:-1], target + "0", target + "%00", target + "%0a", target + ".part", target + "/x"):
        assert _ask(tus, verb, near) == 404, near
    assert tus.content(target) == b"hello"


def test_an_id_has_128_bits_and_is_never_the_same(tus: Tus) -> None:
    ids = {id_of(tus.created(1)) for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) >= 22 and one.replace("-", "").replace("_", "").isalnum() for one in ids)


def test_a_trailing_slash_is_accepted_everywhere(tus: Tus) -> None:
    answer = tus.http.request("POST", "/uploads/", [VERSION, ("Upload-Length", "5")])
    target = target_of(answer, base="/uploads/")
    slashed = target.rstrip("/") + "/"
    assert tus.options(target="/uploads/").header("Tus-Version") == "1.0.0"
    assert tus.patch(slashed, 0, b"hello").status == 204
    assert tus.head(slashed).header("Upload-Offset") == "5"
    assert tus.content(slashed) == b"hello"
    assert tus.http.get("/uploads/?state=open").status == 200
    assert tus.delete(slashed).status == 204


def _version(version: str | None) -> list[Header]:
    return [] if version is None else [("Tus-Resumable", version)]


def _ask(tus: Tus, verb: str, target: str) -> int:
    if verb == "PATCH":
        return tus.patch(target, 0, b"hello").status
    return tus.http.request(verb, target, [VERSION]).status


def _finish_and_check(tus: Tus, target: str, content: bytes) -> None:
    """After a refused body too many: what was kept is a prefix of ``content``, and the rest still fits."""
    offset = tus.offset(target)
    assert offset <= len(content)
    if offset < len(content):
        assert tus.patch(target, offset, content[offset:]).status == 204
    assert tus.content(target) == content
