"""Junk in every header: refused with the exact answer where there is one, never a 500, never a trace.

Contract §2.1: lengths and offsets are ^[0-9]{1,15}$, else 400.
"""

import contextlib

import pytest

from tests.e2e.tus import BYTES, VERSION, Tus
from tests.support.wire import Closed, Header, Response, chunked

NOT_NUMBERS: list[str | bytes] = [
    "-1",
    "-0",
    "+5",
    "1e3",
    "0x10",
    "0b1",
    "5.0",
    "5,0",
    "1_000",
    "5 5",
    "5;q=1",
    "NaN",
    "Infinity",
    "null",
    "true",
    "",
    " ",
    "1000000000000000",  # sixteen digits
    "0000000000000005",  # sixteen, too
    "18446744073709551616",
    "9" * 5000,
    "٥",  # ARABIC-INDIC DIGIT FIVE, as UTF-8
    "５",  # FULLWIDTH DIGIT FIVE
    b"\xb2",  # SUPERSCRIPT TWO in Latin-1: str.isdigit() is true for it
    b"\xff\xfe",
    "5%00",
    "{}",
    "$(id)",
]
JUNK: list[str | bytes] = [
    "",
    ", ; =",
    "-1",
    "'; DROP TABLE uploads; --",
    "../../../etc/passwd",
    "%00%0d%0a",
    b"\x80\xff\xfe\xc3\x28",
    "\N{RIGHT-TO-LEFT OVERRIDE}exe",
    "x" * 8000,
    ", " * 2000,
    "%s%n{0}{__class__}",
    '"unclosed',
    "http://[",
]
OUR_HEADERS = [
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Checksum",
    "Upload-Complete",
    "Upload-Draft-Interop-Version",
    "Content-Type",
    "Content-Encoding",
    "Content-Digest",
    "X-HTTP-Method-Override",
    "Expect",
    "Trailer",
]
COMMON_HEADERS = [
    "Content-Disposition",
    "Repr-Digest",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Real-Ip",
    "X-User-Id",
    "X-User-Scope",
    "X-Guest-Id",
    "Authorization",
    "Cookie",
    "Origin",
    "Referer",
    "User-Agent",
    "Accept",
    "Accept-Encoding",
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "If-Modified-Since",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
    "Traceparent",
    "Host",
    "Connection",
    "Upgrade",
]


# --- lengths and offsets


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=ascii)
def test_a_length_that_is_no_number_is_refused(tus: Tus, value: str | bytes) -> None:
    before = tus.open_uploads().keys()
    answer = tus.http.request("POST", "/uploads", [VERSION, ("Upload-Length", value)])
    assert answer.status == 400
    assert tus.open_uploads().keys() == before


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=ascii)
def test_an_offset_that_is_no_number_is_refused(tus: Tus, value: str | bytes) -> None:
    target = tus.created(10)
    answer = tus.http.request("PATCH", target, [VERSION, BYTES, ("Upload-Offset", value)], b"hello")
    assert answer.status == 400
    assert tus.offset(target) == 0


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=ascii)
def test_a_deferred_length_that_is_no_number_is_refused(tus: Tus, value: str | bytes) -> None:
    target = tus.created(None, ("Upload-Defer-Length", "1"))
    answer = tus.http.request(
        "PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), ("Upload-Length", value)], b"hello"
    )
    assert answer.status == 400
    head = tus.head(target)
    assert (head.header("Upload-Offset"), head.header("Upload-Length")) == ("0", None)


@pytest.mark.parametrize("values", [("5", "5"), ("5", "6"), ("5", ""), ("junk", "5")])
def test_a_length_or_an_offset_said_twice_is_refused(tus: Tus, values: tuple[str, str]) -> None:
    lengths: list[Header] = [("Upload-Length", value) for value in values]
    assert tus.http.request("POST", "/uploads", [VERSION, *lengths]).status == 400
    target = tus.created(10)
    tus.patch(target, 0, b"12345")
    offsets: list[Header] = [("Upload-Offset", value) for value in values]
    assert tus.http.request("PATCH", target, [VERSION, BYTES, *offsets], b"x").status == 400
    assert tus.offset(target) == 5


def test_the_biggest_number_is_a_number(tus: Tus) -> None:
    """Fifteen digits: too big for this server, but not junk."""
    assert tus.create("9" * 15).status == 413
    assert tus.patch(tus.created(10), "9" * 15, b"x").status == 409


# --- everything else


@pytest.mark.parametrize("name", OUR_HEADERS)
def test_junk_in_a_header_of_ours_never_breaks_the_server(tus: Tus, name: str) -> None:
    target = tus.created(1000)
    for value in JUNK:
        junk: Header = (name, value)
        creation: list[Header] = [VERSION, BYTES, ("Upload-Length", "10"), junk]
        answers = [
            _answer(tus, "POST", "/uploads", creation, b"hello"),
            _answer(tus, "PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), junk], b""),
            _answer(tus, "HEAD", target, [VERSION, junk]),
        ]
        assert [answer for answer in answers if answer and answer.status >= 500] == [], junk
    assert tus.head(target).status == 200


@pytest.mark.parametrize("name", COMMON_HEADERS)
def test_junk_in_a_common_header_never_breaks_the_server(tus: Tus, name: str) -> None:
    target = tus.completed(b"hello world")
    for value in JUNK:
        answers = [
            _answer(tus, "PATCH", target, [VERSION, BYTES, ("Upload-Offset", "11"), (name, value)], b""),
            _answer(tus, "GET", target, [(name, value)]),
        ]
        assert [answer for answer in answers if answer and answer.status >= 500] == [], (name, value)
    assert tus.content(target) == b"hello world"


@pytest.mark.parametrize("name", [*OUR_HEADERS, *COMMON_HEADERS])
def test_a_header_said_many_times_never_breaks_the_server(tus: Tus, name: str) -> None:
    many: list[Header] = [(name, "1")] * 30
    target = tus.created(10)
    answers = [
        _answer(tus, "POST", "/uploads", [VERSION, ("Upload-Length", "10"), *many]),
        _answer(tus, "PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), *many], b"hello"),
        _answer(tus, "HEAD", target, [VERSION, *many]),
    ]
    assert [answer for answer in answers if answer and answer.status >= 500] == []


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "5, 6")],
        [("Content-Length", "-5")],
        [("Content-Length", "+5")],
        [("Content-Length", "0x5")],
        [("Content-Length", "5_0")],
        [("Content-Length", "\u0665")],
        [("Content-Length", "99999999999999999999")],
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "xchunked")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding ", "chunked")],
    ],
    ids=str,
)
def test_a_body_framed_in_two_ways_is_refused(tus: Tus, headers: list[Header]) -> None:
    """Where a proxy and we could disagree about a body's end, a second request could be smuggled in."""
    target = tus.created(1000)
    smuggled = b"DELETE %b HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\r\n" % target.encode()
    with tus.http.connect() as connection:
        head = connection.head_bytes("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), *headers])
        connection.send(head + chunked(b"hello") + smuggled)
        with contextlib.suppress(Closed):
            first = connection.receive("PATCH", within=5)
            assert 400 <= first.status < 500 or first.status == 501
        assert connection.ends(within=5), "the connection is not to be trusted any more"
    assert tus.head(target).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_an_encoded_body_is_refused(tus: Tus, encoding: str) -> None:
    """It could be a bomb; and whose bytes would the offset count?"""
    target = tus.created(10)
    assert tus.patch(target, 0, b"hello", ("Content-Encoding", encoding)).status == 415
    assert tus.offset(target) == 0


def _answer(tus: Tus, method: str, target: str, headers: list[Header], body: bytes | None = None) -> Response | None:
    """None where the server rather hung up, as it may on what is not HTTP."""
    try:
        return tus.http.request(method, target, headers, body)
    except Closed:
        return None
