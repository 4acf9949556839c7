"""The IETF's resumable uploads for clients that speak interop version 6, 5 or 3: drafts 05, 03 and 01."""

import os

import pytest

from tests.e2e.ietf import (
    COMPLETE,
    MORE,
    PARTIAL,
    TYPES,
    Ietf,
    assert_inconsistent,
    limits_of,
    problem_of,
)
from tests.e2e.tus import id_of, target_of
from tests.support.wire import Header, Http, Response

DAY = 24 * 3600
INCOMPLETE: Header = ("Upload-Incomplete", "?1")
NOT_INCOMPLETE: Header = ("Upload-Incomplete", "?0")
LENGTH_10: Header = ("Upload-Length", "10")

every_version = pytest.mark.parametrize("version", [6, 5, 3])


def old(http: Http, version: int) -> Ietf:
    return Ietf(http, version)


def whole(version: int) -> Header:
    return NOT_INCOMPLETE if version == 3 else COMPLETE


def partial(version: int) -> Header:
    return INCOMPLETE if version == 3 else MORE


def assert_goes_on(answer: Response, version: int, *, offset: int) -> None:
    assert (answer.status, answer.header("Upload-Offset")) == (201, str(offset))
    name, value = partial(version)
    assert answer.header(name) == value


def assert_complete(answer: Response, version: int, *, offset: int) -> None:
    assert (answer.status, answer.header("Upload-Offset")) == (201, str(offset))
    name, value = whole(version)
    assert answer.header(name) == value


@every_version
def test_a_whole_file_in_one_request(http: Http, version: int) -> None:
    ietf = old(http, version)
    answer = ietf.create(b"hello", whole(version))
    (announced,) = answer.interim
    assert (announced.status, announced.header("Upload-Draft-Interop-Version")) == (104, str(version))
    assert announced.header("Location") == answer.header("Location")
    assert_complete(answer, version, offset=5)
    assert ietf.content(target_of(answer)) == b"hello"


@every_version
def test_a_file_in_parts(http: Http, version: int) -> None:
    ietf = old(http, version)
    created = ietf.create(b"hello", partial(version))
    assert_goes_on(created, version, offset=5)
    target = target_of(created)
    head = ietf.head(target)
    assert (head.status, head.header("Upload-Offset"), head.header("Cache-Control")) == (204, "5", "no-store")
    assert head.header(partial(version)[0]) == partial(version)[1]
    assert_goes_on(ietf.patch(target, 5, b" wor", partial(version)), version, offset=9)
    assert_complete(ietf.patch(target, 9, b"ld", whole(version)), version, offset=11)
    head = ietf.head(target)
    assert head.header(whole(version)[0]) == whole(version)[1]
    assert ietf.content(target) == b"hello world"


@every_version
def test_a_wrong_offset_is_a_conflict_that_tells_the_right_one(http: Http, version: int) -> None:
    ietf = old(http, version)
    target = target_of(ietf.create(b"hello", partial(version)))
    answer = ietf.patch(target, 3, b"x", whole(version))
    assert (answer.status, answer.header("Upload-Offset")) == (409, "5")
    assert problem_of(answer)["type"] == TYPES + "mismatching-upload-offset"


@every_version
def test_a_completed_upload_is_not_appended_to(http: Http, version: int) -> None:
    ietf = old(http, version)
    target = target_of(ietf.create(b"hello", whole(version)))
    answer = ietf.patch(target, 5, b"x", whole(version))
    assert (answer.status, problem_of(answer)["type"]) == (400, TYPES + "completed-upload")


@every_version
def test_the_last_body_has_to_end_at_the_length(http: Http, version: int) -> None:
    ietf = old(http, version)
    target = target_of(ietf.create(b"hello", partial(version), LENGTH_10))
    answer = ietf.patch(target, 5, b"worl", whole(version))
    assert_inconsistent(answer)
    assert ietf.head(target).header("Upload-Offset") == "5"


@every_version
def test_fields_of_a_transfer_are_refused_where_none_is_made(http: Http, version: int) -> None:
    ietf = old(http, version)
    target = target_of(ietf.create(b"hello", partial(version)))
    unwanted: list[Header] = [("Upload-Offset", "5"), partial(version)]
    if version == 6:
        unwanted.append(LENGTH_10)
        assert ietf.head(target, LENGTH_10).status == 400
    for field in unwanted[:2]:
        assert ietf.head(target, field).status == 400
        assert ietf.delete(target, field).status == 400
    assert ietf.head(target).status == 204
    assert ietf.delete(target).status == 204
    assert ietf.head(target).status == 410


@pytest.mark.parametrize("version", [5, 3])
def test_before_version_6_an_append_needs_no_media_type(http: Http, version: int) -> None:
    ietf = old(http, version)
    target = target_of(ietf.create(b"", partial(version)))
    types: list[list[Header]] = [[], [("Content-Type", "text/plain")], [PARTIAL]]
    for at, content_type in enumerate(types):
        headers = [*ietf.spoken, partial(version), ("Upload-Offset", str(at)), *content_type]
        assert http.request("PATCH", target, headers, b"x").status == 201


def test_since_version_6_an_append_needs_its_media_type(http: Http) -> None:
    ietf = old(http, 6)
    target = ietf.created()
    headers: list[Header] = [*ietf.spoken, MORE, ("Upload-Offset", "0")]
    assert http.request("PATCH", target, headers, b"x").status == 415


@pytest.mark.parametrize("version", [6, 5])
def test_an_append_that_says_nothing_goes_on(http: Http, version: int) -> None:
    """Draft 03 and 05, the example of §Upload Append; tus-js-client leaves the field out where it has no bytes."""
    ietf = old(http, version)
    target = ietf.created()
    assert_goes_on(ietf.patch(target, 0, b"hello"), version, offset=5)


def test_in_version_3_an_append_that_says_nothing_is_the_last(http: Http) -> None:
    """Draft 01 §Offset Retrieving: complete with Upload-Incomplete being omitted or set to false."""
    ietf = old(http, 3)
    target = target_of(ietf.create(b"hello", INCOMPLETE))
    assert_complete(ietf.patch(target, 5, b" world"), 3, offset=11)


@every_version
def test_a_creation_has_to_say_whether_it_is_whole(http: Http, version: int) -> None:
    assert old(http, version).create(b"hello").status == 400


def test_version_3_is_understood_with_the_field_of_its_successor(http: Http) -> None:
    """Between draft 01 and 02 the field was renamed and the version was not raised yet."""
    ietf = old(http, 3)
    created = ietf.create(b"hello", MORE)
    assert_goes_on(created, 3, offset=5)
    assert created.header("Upload-Complete") == "?0"
    assert_complete(ietf.patch(target_of(created), 5, b"!", COMPLETE), 3, offset=6)


def test_the_old_field_alone_is_understood_too(http: Http) -> None:
    ietf = Ietf(http, None)
    answer = ietf.create(b"hello", INCOMPLETE)
    assert_goes_on(answer, 3, offset=5)
    assert answer.interim == ()
    assert ietf.patch(target_of(answer), 5, b"!", NOT_INCOMPLETE).header("Upload-Incomplete") == "?0"


def test_version_6_calls_the_lifetime_expires(http: Http) -> None:
    ietf = old(http, 6)
    created = ietf.create(b"hello", MORE)
    for answer in (created, *created.interim, ietf.head(target_of(created))):
        limits = limits_of(answer)
        assert limits["expires"] in range(DAY - 10, DAY + 1)
        assert "max-age" not in limits
    assert "expires" in limits_of(http.request("OPTIONS", "/uploads", ietf.spoken))


@every_version
def test_going_on_after_a_cut_with_the_location_of_the_104(http: Http, version: int) -> None:
    ietf = old(http, version)
    content = os.urandom(50_000)
    framing: Header = ("Content-Length", str(len(content)))
    with ietf.begin("POST", "/uploads", whole(version), framing, sent=content[:20_000]) as connection:
        target = connection.receive_interim().header("Location") or ""
        connection.reset()
    offset = int(ietf.head(target).header("Upload-Offset") or -1)
    assert 0 <= offset <= 20_000
    assert_complete(ietf.patch(target, offset, content[offset:], whole(version)), version, offset=50_000)
    assert ietf.content(target) == content
    assert http.get(f"/files/{id_of(target)}").json()["size"] == 50_000
