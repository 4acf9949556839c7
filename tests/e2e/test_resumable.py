"""The IETF's resumable uploads, interop version 8: what draft-ietf-httpbis-resumable-upload asks of servers.

Which statement is tested by what, and which is not: docs/resumable-uploads.md.
"""

import os
import threading
import time
from itertools import pairwise

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.ietf import (
    CHUNKED,
    COMPLETE,
    MORE,
    TYPES,
    Ietf,
    assert_inconsistent,
    digest,
    limits_of,
    problem_of,
)
from tests.e2e.tus import Tus, id_of, metadata, target_of
from tests.support.wire import Header, Http

DAY = 24 * 3600
GIB = 1024**3
LENGTH_10: Header = ("Upload-Length", "10")


@pytest.fixture(scope="module")
def ietf(http: Http) -> Ietf:
    return Ietf(http)


# --- Upload Resource


def test_every_upload_has_a_url_of_its_own_that_says_nothing_and_cannot_be_guessed(ietf: Ietf) -> None:
    targets = {ietf.created() for _ in range(5)}
    assert len(targets) == 5
    assert all(len(id_of(target)) == 32 and int(id_of(target), 16) for target in targets)


# --- Offset


def test_an_offset_never_decreases(ietf: Ietf) -> None:
    target = ietf.created(body=b"hello")
    for at, body, status in ((0, b"HELLO", 409), (4, b"", 409), (5, b" wor", 204), (5, b"again", 409)):
        assert ietf.patch(target, at, body, MORE).status == status
        assert ietf.stands(target)[1] >= 5
    assert ietf.stands(target) == ("?0", 9)


# --- Completeness


def test_an_upload_that_has_all_its_bytes_is_not_complete_before_that_is_said(ietf: Ietf, tus: Tus) -> None:
    target = ietf.created(("Upload-Length", "5"), body=b"hello")
    assert ietf.stands(target) == ("?0", 5)
    assert id_of(target) in tus.open_uploads()
    answer = ietf.patch(target, 5, b"", COMPLETE)
    assert (answer.status, answer.header("Upload-Complete")) == (201, "?1")
    assert ietf.stands(target) == ("?1", 5)
    assert id_of(target) not in tus.open_uploads()
    assert ietf.content(target) == b"hello"


def test_a_completed_upload_takes_no_more(ietf: Ietf) -> None:
    target = target_of(ietf.create(b"hello", COMPLETE))
    for body, complete in ((b" world", COMPLETE), (b"", COMPLETE), (b"", MORE), (b"x", MORE)):
        answer = ietf.patch(target, 5, body, complete)
        assert (answer.status, problem_of(answer)["type"]) == (400, TYPES + "completed-upload")
        assert answer.header("Upload-Complete") == "?0"
        assert answer.header("Location") == target
    assert ietf.content(target) == b"hello"


# --- Length


@pytest.mark.parametrize("told", ["4", "6", "0", "999999999999999"])
def test_a_length_that_disagrees_with_the_whole_body_is_refused(ietf: Ietf, tus: Tus, told: str) -> None:
    before = tus.open_uploads().keys()
    answer = ietf.create(b"hello", COMPLETE, ("Upload-Length", told))
    assert_inconsistent(answer)
    assert answer.interim == ()
    assert tus.open_uploads().keys() == before


def test_a_length_given_twice_is_inconsistent(ietf: Ietf) -> None:
    for second in ("5", "6"):
        assert_inconsistent(ietf.create(b"hello", COMPLETE, ("Upload-Length", "5"), ("Upload-Length", second)))


def test_the_last_body_has_to_end_at_the_length(ietf: Ietf) -> None:
    target = ietf.created(LENGTH_10, body=b"hello")
    assert_inconsistent(ietf.patch(target, 5, b"worl", COMPLETE))
    assert_inconsistent(ietf.patch(target, 5, b"world", COMPLETE, ("Upload-Length", "11")))
    assert_inconsistent(ietf.patch(target, 5, b"", COMPLETE))
    assert ietf.stands(target) == ("?0", 5)
    assert ietf.patch(target, 5, b"world", COMPLETE).status == 201


def test_a_length_once_told_stays(ietf: Ietf) -> None:
    target = ietf.created()
    assert ietf.patch(target, 0, b"hello", MORE, LENGTH_10).status == 204
    assert ietf.head(target).header("Upload-Length") == "10"
    assert_inconsistent(ietf.patch(target, 5, b"", MORE, ("Upload-Length", "11")))
    assert ietf.patch(target, 5, b"", MORE, LENGTH_10).status == 204


def test_a_length_that_was_never_told_is_known_at_the_end(ietf: Ietf) -> None:
    target = ietf.created(body=b"hello")
    assert ietf.head(target).header("Upload-Length") is None
    assert ietf.patch(target, 5, b"", COMPLETE).header("Upload-Length") == "5"


def test_the_length_of_the_last_body_is_recorded_even_if_it_does_not_arrive(ietf: Ietf) -> None:
    with ietf.begin("POST", "/uploads", COMPLETE, ("Content-Length", "1000"), sent=b"x" * 100) as connection:
        target = connection.receive_interim().header("Location") or ""
    answer = ietf.head(target)
    assert (answer.header("Upload-Length"), answer.header("Upload-Complete")) == ("1000", "?0")
    with ietf.begin_patch(deferred := ietf.created(), 0, COMPLETE, ("Content-Length", "70"), sent=b"x") as connection:
        time.sleep(0.2)
    assert ietf.head(deferred).header("Upload-Length") == "70"


# --- Limits


@pytest.fixture(scope="module")
def small(start_module_server: StartServer) -> Ietf:
    """A server that takes uploads up to 100 bytes, for an hour."""
    return Ietf(Http(start_module_server(MAX_UPLOAD_SIZE="100", UPLOAD_TTL="1h").port))


@pytest.mark.parametrize("target", ["/uploads", "/uploads/", "/uploads/0123456789abcdef0123456789abcdef"])
def test_options_announce_the_limits(ietf: Ietf, target: str) -> None:
    for headers in ([], ietf.spoken):
        answer = ietf.http.request("OPTIONS", target, headers)
        assert answer.status == 204
        assert limits_of(answer) == {"max-size": 50 * GIB, "min-size": 0, "max-age": DAY}
        assert answer.header("Accept-Patch") == "application/partial-upload"
        assert answer.header("Tus-Version") == "1.0.0"  # whoever asks does not know yet what is spoken here


def test_an_uploads_limits_are_those_that_options_announce(small: Ietf) -> None:
    announced = limits_of(small.http.request("OPTIONS", "/uploads"))
    assert announced == {"max-size": 100, "min-size": 0, "max-age": 3600}
    created = small.create(b"hello", MORE)
    for answer in (created, *created.interim, small.head(target_of(created))):
        limits = limits_of(answer)
        assert limits.pop("max-age") in range(3590, 3601)
        assert limits == {"max-size": 100, "min-size": 0}


def test_the_end_of_an_uploads_lifetime_is_not_brought_forward(small: Ietf) -> None:
    target = small.created()
    ends = []
    for at in range(4):
        limits = limits_of(small.head(target))
        ends.append(time.time() + limits["max-age"])
        small.patch(target, at, b"x", MORE)
        time.sleep(0.4)
    assert all(later > earlier - 1.5 for earlier, later in pairwise(ends))


def test_what_is_too_large_is_refused_with_the_limits(small: Ietf) -> None:
    too_much = b"x" * 101
    target = small.created()
    for answer in (
        small.create(too_much, COMPLETE),
        small.create(b"", MORE, ("Upload-Length", "101")),
        small.create(too_much, MORE),
        small.patch(target, 0, too_much, COMPLETE),
        small.patch(target, 0, too_much, MORE),
        small.patch(target, 0, b"", MORE, ("Upload-Length", "101")),
    ):
        assert (answer.status, limits_of(answer)["max-size"]) == (413, 100)
        assert answer.header("Upload-Complete") == "?0"
    assert small.stands(target) == ("?0", 0)


# --- Upload Creation


def test_a_creation_is_announced_before_its_body_has_come(ietf: Ietf) -> None:
    content = os.urandom(1000)
    head: list[Header] = [COMPLETE, ("Content-Length", "1000"), ("Upload-Length", "1000")]
    with ietf.begin("POST", "/uploads", *head) as connection:
        announced = connection.receive_interim()
        assert (announced.status, announced.reason) == (104, "Upload Resumption Supported")
        connection.send(content)
        final = connection.receive()
    assert announced.header("Upload-Draft-Interop-Version") == "8"
    assert limits_of(announced)["max-size"] == 50 * GIB
    assert announced.header("Location") == final.header("Location")
    assert (final.status, final.header("Upload-Complete")) == (201, "?1")
    assert ietf.content(target_of(final)) == content


def test_the_reply_to_a_whole_upload_describes_the_file(ietf: Ietf) -> None:
    named: Header = ("Content-Disposition", "inline; filename=\"file name.jpg\"; filename*=UTF-8''s%C5%82o%C5%84ce.jpg")
    answer = ietf.create(b"hello", COMPLETE, named, ("Content-Type", "image/jpeg"))
    upload_id = id_of(target_of(answer))
    assert answer.header("Content-Location") == f"/files/{upload_id}"
    about = answer.json()
    stored = ietf.http.get(f"/files/{upload_id}").json()
    assert about == {**stored, "sha256": None}  # which a chore may have found out by now
    assert (about["id"], about["name"], about["size"]) == (upload_id, "słońce.jpg", 5)
    assert (about["media_type"], about["url"]) == ("image/jpeg", f"/files/{upload_id}/content")


def test_the_reply_is_the_same_whether_the_bytes_came_at_once_or_not(ietf: Ietf) -> None:
    named: Header = ("Content-Disposition", 'inline; filename="a.txt"')
    at_once = ietf.create(b"hello world", COMPLETE, named)
    target = ietf.created(named, body=b"hello")
    resumed = ietf.patch(target, 5, b" world", COMPLETE)
    assert (at_once.status, [name for name, _ in at_once.headers]) == (
        resumed.status,
        [name for name, _ in resumed.headers],
    )
    own = {"id", "created_at", "url"}
    assert {key: value for key, value in at_once.json().items() if key not in own} == {
        key: value for key, value in resumed.json().items() if key not in own
    }


def test_a_partial_creation_tells_where_to_go_on(ietf: Ietf) -> None:
    answer = ietf.create(b"hello", MORE, LENGTH_10)
    assert (answer.status, answer.header("Upload-Complete"), answer.header("Upload-Offset")) == (201, "?0", "5")
    assert limits_of(answer)["max-size"] == 50 * GIB
    assert [interim.header("Location") for interim in answer.interim] == [answer.header("Location")]
    target = target_of(answer)
    assert ietf.head(target).header("Upload-Length") == "10"
    assert ietf.patch(target, 5, b"world", COMPLETE).status == 201
    assert ietf.content(target) == b"helloworld"


def test_an_empty_creation_gives_a_url(ietf: Ietf) -> None:
    answer = ietf.create(b"", MORE)
    assert (answer.status, answer.header("Upload-Offset")) == (201, "0")
    assert ietf.stands(target_of(answer)) == ("?0", 0)


def test_an_empty_representation_is_complete_when_that_is_said(ietf: Ietf) -> None:
    answer = ietf.create(b"", COMPLETE)
    assert (answer.status, answer.header("Upload-Complete")) == (201, "?1")
    assert answer.json()["size"] == 0
    assert ietf.content(target_of(answer)) == b""
    announced = ietf.created(("Upload-Length", "0"))
    assert ietf.stands(announced) == ("?0", 0)
    assert ietf.patch(announced, 0, b"", COMPLETE).status == 201


def test_links_begin_with_the_public_address(start_server: StartServer) -> None:
    ietf = Ietf(Http(start_server(PUBLIC_URL="https://files.example.org/up").port))
    answer = ietf.create(b"hello", MORE)
    for location in (answer.header("Location"), answer.interim[0].header("Location")):
        assert (location or "").startswith("https://files.example.org/up/uploads/")


def test_more_than_the_length_is_refused_at_creation(ietf: Ietf, tus: Tus) -> None:
    before = tus.open_uploads().keys()
    assert ietf.create(b"hello world", MORE, LENGTH_10).status == 413
    assert tus.open_uploads().keys() == before


# --- Offset Retrieval


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_offset_retrieval_tells_all_there_is_to_know(ietf: Ietf, method: str) -> None:
    target = ietf.created(LENGTH_10, body=b"hello")
    answer = ietf.http.request(method, target, ietf.spoken)
    assert answer.status == (204 if method == "HEAD" else 200)
    told = [answer.header(name) for name in ("Upload-Offset", "Upload-Complete", "Upload-Length", "Cache-Control")]
    assert told == ["5", "?0", "10", "no-store"]
    assert limits_of(answer)["max-age"] in range(DAY - 10, DAY + 1)
    ietf.patch(target, 5, b"world", COMPLETE)
    answer = ietf.http.request(method, target, ietf.spoken)
    told = [answer.header(name) for name in ("Upload-Offset", "Upload-Complete", "Upload-Length", "Cache-Control")]
    assert told == ["10", "?1", "10", "no-store"]
    assert limits_of(answer)["max-size"] == 50 * GIB
    assert answer.body == (b"" if method == "HEAD" else b"helloworld")


def test_an_unknown_upload_is_not_found(ietf: Ietf) -> None:
    for target in ("/uploads/0123456789abcdef0123456789abcdef", "/uploads/x", "/uploads/..%2f..%2fetc"):
        assert ietf.head(target).status == 404
        assert ietf.patch(target, 0, b"x", MORE).status == 404
        assert ietf.delete(target).status == 404


# --- Upload Append


def test_an_append_that_goes_on_is_acknowledged(ietf: Ietf) -> None:
    target = ietf.created(LENGTH_10)
    answer = ietf.patch(target, 0, b"hello", MORE)
    assert (answer.status, answer.header("Upload-Complete"), answer.header("Upload-Offset")) == (204, "?0", "5")
    assert answer.interim == ()


def test_a_wrong_offset_is_a_conflict_that_tells_the_right_one(ietf: Ietf) -> None:
    target = ietf.created(LENGTH_10, body=b"hello")
    for at in (0, 4, 6, 999_999_999_999_999):
        answer = ietf.patch(target, at, b"w", MORE)
        assert (answer.status, answer.header("Upload-Offset"), answer.header("Upload-Complete")) == (409, "5", "?0")
        about = problem_of(answer)
        assert about["type"] == TYPES + "mismatching-upload-offset"
        assert (about["expected-offset"], about["provided-offset"]) == (5, at)
    assert ietf.stands(target) == ("?0", 5)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (413, b"world!", [MORE]),
        (413, b"x" * 2_000_000, [MORE]),
        (413, b"9\r\nworld!!!!\r\n0\r\n\r\n", [MORE, CHUNKED]),
        (413, b"9\r\nworld!!!!\r\n0\r\n\r\n", [COMPLETE, CHUNKED]),
        (400, b"world!", [COMPLETE]),
        (400, b"world!", [COMPLETE, LENGTH_10]),
    ],
    ids=["announced", "large", "chunked", "chunked and whole", "whole", "whole with the length"],
)
def test_a_body_that_runs_over_the_length_ends_the_upload(
    ietf: Ietf, status: int, body: bytes, headers: list[Header]
) -> None:
    target = ietf.created(LENGTH_10, body=b"hello")
    answer = ietf.patch(target, 5, body, *headers)
    assert (answer.status, answer.header("Upload-Complete")) == (status, "?0")
    for later in (ietf.head(target), ietf.patch(target, 5, b"w", MORE), ietf.delete(target)):
        assert later.status == 410


def test_a_body_that_was_only_misplaced_ends_nothing(ietf: Ietf) -> None:
    target = ietf.created(LENGTH_10, body=b"hello")
    assert ietf.patch(target, 6, b"world", MORE).status == 409
    assert_inconsistent(ietf.patch(target, 6, b"world", COMPLETE, LENGTH_10))
    assert ietf.stands(target) == ("?0", 5)
    completed = target_of(ietf.create(b"hello", COMPLETE))
    assert ietf.patch(completed, 5, b" world", COMPLETE, LENGTH_10).status == 400
    assert ietf.content(completed) == b"hello"


def test_an_append_needs_its_media_type(ietf: Ietf) -> None:
    target = ietf.created()
    for sent in ("text/plain", "application/octet-stream", ""):
        headers: list[Header] = [*ietf.spoken, MORE, ("Upload-Offset", "0"), ("Content-Type", sent)]
        answer = ietf.http.request("PATCH", target, headers, b"hello")
        assert (answer.status, answer.header("Accept-Patch")) == (415, "application/partial-upload")
    headers = [*ietf.spoken, MORE, ("Upload-Offset", "0"), ("Content-Type", "Application/Partial-Upload; x=y")]
    assert ietf.http.request("PATCH", target, headers, b"hello").status == 204


def test_an_append_has_to_say_whether_it_ends_the_upload_and_where_it_begins(ietf: Ietf) -> None:
    target = ietf.created()
    assert ietf.patch(target, 0, b"hello").status == 400
    headers = [*ietf.spoken, MORE, ("Content-Type", "application/partial-upload")]
    assert ietf.http.request("PATCH", target, headers, b"hello").status == 400
    assert ietf.stands(target) == ("?0", 0)


# --- Upload Cancellation


def test_a_cancelled_upload_is_gone(ietf: Ietf) -> None:
    target = ietf.created(body=b"hello")
    assert ietf.delete(target).status == 204
    for answer in (ietf.head(target), ietf.patch(target, 5, b"x", MORE), ietf.delete(target)):
        assert answer.status == 410


def test_cancelling_a_completed_upload_ends_its_file(ietf: Ietf) -> None:
    target = target_of(ietf.create(b"hello", COMPLETE))
    assert ietf.delete(target).status == 204
    assert ietf.http.get(f"/files/{id_of(target)}").status in (404, 410)


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_cancellation_ends_the_request_that_still_sends(ietf: Ietf, size: int) -> None:
    with ietf.begin("POST", "/uploads", COMPLETE, ("Content-Length", str(size)), sent=b"x" * 10_000) as connection:
        target = connection.receive_interim().header("Location") or ""
        began = time.monotonic()
        assert ietf.delete(target).status == 204
        answer = connection.receive(within=5)
    assert answer.status in (409, 423)  # 423: it had not even begun to read
    assert answer.header("Upload-Complete") == "?0"
    assert time.monotonic() - began < 3
    assert ietf.head(target).status == 410


# --- Concurrency


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_the_newest_request_wins_and_its_offset_holds(ietf: Ietf, size: int) -> None:
    target = ietf.created(("Upload-Length", str(size)))
    framing: Header = ("Content-Length", str(size))
    with ietf.begin_patch(target, 0, COMPLETE, framing, sent=b"x" * 50_000) as hanging:
        time.sleep(0.3)
        _, offset = ietf.stands(target)
        assert offset == 50_000
        assert hanging.receive("PATCH").status == 409
        late = b"y" * (size - offset)
        assert ietf.patch(target, offset, late, COMPLETE).status == 201
    assert ietf.content(target) == b"x" * offset + late


def test_of_appends_at_the_same_offset_one_counts(ietf: Ietf) -> None:
    target = ietf.created()
    answers: list[int] = []
    appends = [
        threading.Thread(target=lambda body=body: answers.append(ietf.patch(target, 0, body, MORE).status))
        for body in (bytes([letter]) * 1000 for letter in range(65, 75))
    ]
    for append in appends:
        append.start()
    for append in appends:
        append.join()
    assert answers.count(204) == 1, answers
    assert ietf.patch(target, 1000, b"", COMPLETE).status == 201
    assert len(set(ietf.content(target))) == 1


# --- Status Code 104, Draft Version Identification


@pytest.mark.parametrize("version", [None, "7", "4", "2", "1", "0", "9", "80", "-8", "8.0", "?1", "", "eight", "8, 8"])
def test_without_a_version_that_is_spoken_here_there_is_no_interim_response(ietf: Ietf, version: str | None) -> None:
    headers: list[Header] = [] if version is None else [("Upload-Draft-Interop-Version", version)]
    answer = ietf.http.request("POST", "/uploads", [*headers, COMPLETE], b"hello")
    assert (answer.status, answer.header("Upload-Complete"), answer.interim) == (201, "?1", ())
    target = target_of(answer)
    partly = target_of(ietf.http.request("POST", "/uploads", [*headers, MORE], b"hello"))
    appended = ietf.http.request(
        "PATCH",
        partly,
        [*headers, COMPLETE, ("Upload-Offset", "5"), ("Content-Type", "application/partial-upload")],
        b" world",
    )
    assert (appended.status, appended.interim) == (201, ())
    assert ietf.content(target) == b"hello"
    assert ietf.content(partly) == b"hello world"


def test_http_1_0_is_sent_no_interim_response(ietf: Ietf) -> None:
    with ietf.http.connect() as connection:
        connection.send(
            b"POST /uploads HTTP/1.0\r\nUpload-Draft-Interop-Version: 8\r\nUpload-Complete: ?1\r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )
        answer = connection.receive()
    assert (answer.status, answer.interim) == (201, ())
    assert ietf.content(target_of(answer)) == b"hello"


# --- Integrity Digests


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_body_with_its_digest_is_taken(ietf: Ietf, algorithm: str) -> None:
    answer = ietf.create(b"hello", MORE, ("Content-Digest", digest(b"hello", algorithm)))
    target = target_of(answer)
    several = f"unixsum=:AAAA:, {digest(b' world', algorithm)};q=1, crc32c=(1 2), own"
    assert ietf.patch(target, 5, b" world", COMPLETE, ("Content-Digest", several)).status == 201
    assert ietf.content(target) == b"hello world"


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
@pytest.mark.parametrize("size", [5, 100_000, 3_000_000])
def test_of_a_body_with_another_digest_nothing_counts(ietf: Ietf, tus: Tus, algorithm: str, size: int) -> None:
    body = os.urandom(size)
    wrong: Header = ("Content-Digest", digest(body + b"!", algorithm))
    before = tus.open_uploads().keys()
    target = ietf.created()
    said = []
    for answer in (
        ietf.create(body, COMPLETE, wrong),
        ietf.create(body, MORE, wrong),
        ietf.patch(target, 0, body, MORE, wrong),
        ietf.patch(target, 0, body, COMPLETE, wrong),
    ):
        about = problem_of(answer)
        assert (answer.status, about["type"]) == (400, TYPES + "digest-mismatching-value")
        assert about["code"] == "digest_mismatch"
        said.append(answer.header("Upload-Complete"))
    assert said == ["?1", "?0", "?0", "?0"], "?1 of what was to be the whole; what can be sent again is not over"
    assert ietf.stands(target) == ("?0", 0)
    assert tus.open_uploads().keys() - before == {id_of(target)}
    assert ietf.patch(target, 0, body, COMPLETE, ("Content-Digest", digest(body, algorithm))).status == 201
    assert ietf.content(target) == body


@pytest.mark.parametrize("version", [8, 3, None])
def test_a_whole_that_is_refused_is_over(http: Http, version: int | None) -> None:
    """draft §Upload Append: ?1 says that nothing is gained by going on, also with a 4xx."""
    ietf, wrong = Ietf(http, version), ("Repr-Digest", digest(b"another"))
    target = target_of(ietf.create(b"hel", MORE, wrong))
    for answer in (ietf.create(b"hello", COMPLETE, wrong), ietf.patch(target, 3, b"lo", COMPLETE)):
        assert (answer.status, problem_of(answer)["code"]) == (400, "digest_mismatch")
        assert answer.header("Upload-Complete") == "?1"
        assert answer.header("Upload-Incomplete") == ("?0" if version == 3 else None)
    assert ietf.head(target).status == 410


def test_digests_of_unknown_algorithms_are_passed_over(ietf: Ietf) -> None:
    for name in ("Content-Digest", "Repr-Digest"):
        assert ietf.create(b"hello", COMPLETE, (name, "md5=:AAAA:, sha=:AAAA:, id-sha-256=:AA:")).status == 201


# --- beside tus


def test_a_tus_client_may_look_at_an_upload_of_this_dialect_and_the_other_way_round(ietf: Ietf, tus: Tus) -> None:
    named: Header = ("Content-Disposition", 'inline; filename="a.txt"')
    target = ietf.created(named, LENGTH_10, body=b"hello")
    seen = tus.head(target)
    assert (seen.status, seen.header("Upload-Offset"), seen.header("Upload-Length")) == (200, "5", "10")
    assert seen.header("Upload-Metadata") == metadata(filename="a.txt")[1]
    assert seen.header("Upload-Complete") is None
    begun = tus.created(10)
    tus.patch(begun, 0, b"hello")
    answer = ietf.head(begun)
    assert (answer.status, answer.header("Upload-Offset"), answer.header("Upload-Length")) == (204, "5", "10")
    assert answer.header("Tus-Resumable") is None
    assert ietf.patch(begun, 5, b"world", COMPLETE).header("Upload-Complete") == "?1"
    assert tus.content(begun) == b"helloworld"


def test_a_tus_upload_is_complete_with_its_last_byte_whoever_sends_it(ietf: Ietf, tus: Tus) -> None:
    begun = tus.created(10)
    answer = ietf.patch(begun, 0, b"helloworld", MORE)
    assert (answer.status, answer.header("Upload-Complete")) == (201, "?1")


def test_tus_names_itself_and_wins(ietf: Ietf, tus: Tus) -> None:
    answer = tus.create(5, COMPLETE, *ietf.spoken)
    assert (answer.status, answer.interim, answer.header("Upload-Complete")) == (201, (), None)
    assert answer.header("Tus-Resumable") == "1.0.0"


def test_a_request_in_neither_dialect_is_still_refused(ietf: Ietf, tus: Tus) -> None:
    begun = tus.created(10)
    for method, target in (("POST", "/uploads"), ("PATCH", begun)):
        answer = ietf.http.request(method, target)
        assert (answer.status, answer.header("Tus-Version")) == (412, "1.0.0")


def test_of_a_client_that_speaks_no_draft_any_more(http: Http, tus: Tus) -> None:
    """Its HEAD, GET and DELETE carry no field that tells."""
    final = Ietf(http, None)
    for target in (final.created(LENGTH_10, body=b"hello"), tus.created(10, body=b"hello")):
        assert final.stands(target) == ("?0", 5)
        for answer in (final.head(target), http.get(target)):
            fields = [answer.header(name) for name in ("Upload-Offset", "Upload-Length", "Cache-Control")]
            assert fields == ["5", "10", "no-store"]
            assert limits_of(answer)["max-age"] > 0
        assert final.patch(target, 5, b"world", COMPLETE).status == 201
        assert http.get(target).header("Upload-Offset") == "10"
    for over in (final.created(), tus.created(5)):
        assert final.delete(over).status == 204
        for answer in (final.head(over), final.delete(over), http.get(over)):
            assert (answer.status, answer.header("Tus-Version")) == (410, None)
    for unknown in ("/uploads/0123456789abcdef0123456789abcdef", "/uploads/x"):
        for answer in (final.head(unknown), final.delete(unknown), http.get(unknown)):
            assert (answer.status, answer.header("Tus-Version")) == (404, None)


def test_the_head_of_a_finished_upload_is_as_of_its_file(http: Http, tus: Tus) -> None:
    final = Ietf(http, None)
    named: Header = ("Content-Disposition", 'inline; filename="a.txt"')
    targets = target_of(final.create(b"hello", COMPLETE, named)), tus.completed(b"hello", metadata(filename="a.txt"))
    for target in targets:
        file = http.request("HEAD", f"/files/{id_of(target)}/content")
        answer = final.head(target)
        for name in ("Content-Length", "Content-Type", "Content-Disposition", "ETag", "Last-Modified", "Cache-Control"):
            assert answer.header(name) == file.header(name) is not None
        assert (answer.status, answer.body) == (200, b"")
        assert (answer.header("Upload-Complete"), answer.header("Upload-Offset")) == ("?1", "5")
        assert http.request("HEAD", target, [("If-None-Match", file.header("ETag") or "")]).status == 304
        assert final.delete(target).status == 204
        assert final.head(target).status == 404


def test_a_draft_is_spoken_in_any_case(http: Http) -> None:
    final = Ietf(http, None)
    target = final.created()
    headers: list[Header] = [MORE, ("Upload-Offset", "0"), ("Content-Type", "Application/Partial-Upload")]
    assert http.request("PATCH", target, headers[1:], b"x").status == 400  # the draft's own words, not tus's 412
    assert http.request("PATCH", target, headers, b"hello").status == 204


def test_the_method_may_be_overridden(ietf: Ietf) -> None:
    target = ietf.created()
    patch: Header = ("X-HTTP-Method-Override", "PATCH")
    headers = [*ietf.spoken, patch, COMPLETE, ("Upload-Offset", "0"), ("Content-Type", "application/partial-upload")]
    assert ietf.http.request("POST", target, headers, b"hello").status == 201
    assert ietf.content(target) == b"hello"
    other = ietf.created()
    assert ietf.http.request("POST", other, [*ietf.spoken, ("X-HTTP-Method-Override", "DELETE")]).status == 204
    assert ietf.head(other).status == 410


def test_metadata_in_the_words_of_tus_is_understood_too(ietf: Ietf) -> None:
    """tus-js-client sends it whatever protocol it speaks."""
    answer = ietf.create(b"hello", COMPLETE, metadata(filename="ż.bin", filetype="text/x-own"))
    assert (answer.json()["name"], answer.json()["media_type"]) == ("ż.bin", "text/x-own")


def test_pages_that_are_allowed_see_and_send_the_fields(start_server: StartServer) -> None:
    http = Http(start_server(CORS_ORIGINS="https://app.example").port)
    origin: Header = ("Origin", "https://app.example")
    ietf = Ietf(http)
    exposed = ietf.create(b"hello", MORE, origin).words("Access-Control-Expose-Headers")
    assert {"location", "upload-complete", "upload-incomplete", "upload-offset", "upload-length"} <= exposed
    assert {"upload-limit", "accept-patch"} <= exposed
    wishes = {"upload-draft-interop-version", "upload-complete", "upload-incomplete", "upload-offset"}
    wishes |= {"upload-length", "content-digest", "repr-digest", "content-disposition"}
    asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", ",".join(wishes))
    preflight = http.request("OPTIONS", "/uploads", [origin, *asked])
    assert preflight.words("Access-Control-Allow-Headers") == wishes


def test_a_creation_counts_against_the_quota_of_open_uploads(start_server: StartServer) -> None:
    ietf = Ietf(Http(start_server(QUOTA_OPEN_UPLOADS="2").port))
    targets = [ietf.created() for _ in range(2)]
    answer = ietf.create(b"", MORE)
    assert (answer.status, answer.interim, answer.header("Upload-Complete")) == (429, (), "?0")
    assert ietf.patch(targets[0], 0, b"hello", COMPLETE).status == 201
    assert ietf.create(b"", MORE).status == 201


def test_nobody_else_can_touch_an_upload(start_server: StartServer) -> None:
    server = start_server(AUTH_MODE="gateway", TRUSTED_PROXIES="127.0.0.1")
    mine, other = (
        Ietf(Http(server.port, (("x-user-id", f"00000000-0000-4000-8000-00000000000{number}"),))) for number in (1, 2)
    )
    target = target_of(mine.create(b"hello", MORE))
    assert other.head(target).status == 404
    assert other.patch(target, 5, b"x", COMPLETE).status == 404
    assert other.delete(target).status == 404
    assert mine.stands(target) == ("?0", 5)


def test_a_kill_loses_nothing_that_was_acknowledged(start_server: StartServer) -> None:
    server = start_server()
    ietf = Ietf(Http(server.port))
    target = ietf.created(LENGTH_10)
    assert ietf.patch(target, 0, b"hello", MORE).status == 204
    server.kill()
    server.start()
    ietf = Ietf(Http(server.port))
    assert ietf.stands(target) == ("?0", 5)
    assert ietf.patch(target, 5, b"world", COMPLETE).status == 201
    assert ietf.content(target) == b"helloworld"
