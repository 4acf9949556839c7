"""X-HTTP-Method-Override: for clients whose world knows only GET and POST. Contract §2.1; tus §Headers."""

import pytest

from tests.e2e.tus import BYTES, VERSION, Tus
from tests.support.wire import Header, chunked


def override(method: str) -> Header:
    return ("X-HTTP-Method-Override", method)


def test_a_post_can_be_a_patch(tus: Tus) -> None:
    target = tus.created(5)
    headers = [VERSION, BYTES, ("Upload-Offset", "0"), override("PATCH")]
    answer = tus.http.request("POST", target, headers, b"hello")
    assert (answer.status, answer.header("Upload-Offset")) == (204, "5")
    assert tus.content(target) == b"hello"


def test_an_overridden_patch_may_be_chunked_and_wait_for_its_100(tus: Tus) -> None:
    target = tus.created(5)
    headers: list[Header] = [
        VERSION,
        BYTES,
        ("Upload-Offset", "0"),
        override("PATCH"),
        ("Expect", "100-continue"),
    ]
    with tus.http.connect() as connection:
        connection.send_head("POST", target, [*headers, ("Transfer-Encoding", "chunked")])
        assert connection.has_data(within=5)
        connection.send(chunked(b"hel", b"lo"))
        answer = connection.receive()
    assert [interim.status for interim in answer.interim] == [100]
    assert answer.status == 204
    assert tus.content(target) == b"hello"


def test_a_post_can_be_a_delete(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.http.request("POST", target, [VERSION, override("DELETE")]).status == 204
    assert tus.head(target).status in (404, 410)


def test_a_post_can_be_a_head(tus: Tus) -> None:
    target = tus.created(5)
    tus.patch(target, 0, b"hel")
    with tus.http.connect() as connection:
        connection.send_head("POST", target, [VERSION, override("HEAD"), ("Content-Length", "0")])
        answer = connection.receive()  # a POST went over the wire, so the answer is framed as one to a POST
        assert (answer.status, answer.header("Upload-Offset"), answer.body) == (200, "3", b"")


def test_the_actual_method_is_ignored(tus: Tus) -> None:
    target = tus.created(5)
    patch = [VERSION, BYTES, ("Upload-Offset", "0"), override("PATCH")]
    assert tus.http.request("PUT", target, patch, b"hello").status == 204
    delete = [VERSION, BYTES, ("Upload-Offset", "5"), override("DELETE")]
    assert tus.http.request("PATCH", target, delete).status == 204
    assert tus.head(target).status in (404, 410)


def test_the_same_method_overrides_nothing(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"hello", override("PATCH")).status == 204
    assert tus.content(target) == b"hello"


def test_the_rules_of_the_overriding_method_hold(tus: Tus) -> None:
    target = tus.created(5)
    start, beyond = ("Upload-Offset", "0"), ("Upload-Offset", "2")
    for status, headers in ((412, [BYTES, start]), (415, [VERSION, start]), (409, [VERSION, BYTES, beyond])):
        answer = tus.http.request("POST", target, [*headers, override("PATCH")], b"x")
        assert answer.status == status
    assert tus.offset(target) == 0


@pytest.mark.parametrize(
    "method", ["", "BREW", "PATCH, DELETE", "patch ", "__init__", "write_error", "CONNECT", "x" * 5000]
)
def test_a_strange_override_is_refused(tus: Tus, method: str) -> None:
    target = tus.created(5)
    answer = tus.http.request("POST", target, [VERSION, override(method)])
    assert 400 <= answer.status < 500 or answer.status == 501
    assert tus.offset(target) == 0
