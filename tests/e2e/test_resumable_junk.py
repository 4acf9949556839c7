"""The IETF's resumable uploads: junk in every field, which is refused and changes nothing."""

import pytest

from tests.e2e.ietf import COMPLETE, MORE, PARTIAL, Ietf
from tests.e2e.tus import Tus, target_of
from tests.support.wire import Header, Http

# RFC 9651: none of these is an Integer that could be a size
NO_SIZES = [
    "", " ", "-1", "+1", "1.0", "1e3", "0x10", "1 000", "1_000", "1,000", "5, 5", "?1", '"5"', "five", ":NQ==:",
    "@5", "5;", "5;A=1", "5 5", "1000000000000000", "9" * 400, "\xb2", "5\x01", "(5)",
]  # fmt: skip
NO_BOOLEANS = ["", "1", "0", "true", "?", "?2", "?10", "? 1", "?1, ?1", "?1 ?1", "??1", '"?1"', "?T", "?1;", "?1\x01"]
NO_DIGESTS = [
    "sha-256", "sha-256=", "sha-256=:", "sha-256=::", "sha-256=:AAAA:", "sha-256=:!!!!:", "sha-256=AAAA",
    "SHA-256=:AAAA:", "sha-256=:AAAA:,", ",", "sha-256=?1", "sha-256=1", 'sha-256="AAAA"', "sha-256=(:AAAA:)",
    "sha-512=:AAAA:", "md5=:AAAA", "\xe9=:AAAA:", "a=1,,b=2", "md5=(:AA:", "sha-256 = :AAAA:",
]  # fmt: skip


@pytest.fixture(scope="module")
def ietf(http: Http) -> Ietf:
    return Ietf(http)


def raw(name: str, value: str) -> Header:
    return (name, value.encode("latin-1"))


def assert_creates_nothing(ietf: Ietf, tus: Tus, *headers: Header) -> None:
    before = tus.open_uploads().keys()
    answer = ietf.create(b"hello", *headers)
    assert (answer.status, answer.interim, answer.header("Location")) == (400, (), None)
    assert tus.open_uploads().keys() == before


@pytest.mark.parametrize("junk", NO_SIZES)
def test_a_length_that_is_none_is_refused(ietf: Ietf, tus: Tus, junk: str) -> None:
    assert_creates_nothing(ietf, tus, COMPLETE, raw("Upload-Length", junk))
    target = ietf.created()
    assert ietf.patch(target, 0, b"hello", MORE, raw("Upload-Length", junk)).status == 400
    assert ietf.stands(target) == ("?0", 0)


@pytest.mark.parametrize("junk", NO_SIZES)
def test_an_offset_that_is_none_is_refused(ietf: Ietf, tus: Tus, junk: str) -> None:
    assert_creates_nothing(ietf, tus, COMPLETE, raw("Upload-Offset", junk))
    target = ietf.created(body=b"hello")
    headers = [*ietf.spoken, PARTIAL, MORE, raw("Upload-Offset", junk)]
    assert ietf.http.request("PATCH", target, headers, b" world").status == 400
    assert ietf.stands(target) == ("?0", 5)


@pytest.mark.parametrize("junk", NO_BOOLEANS)
def test_a_completeness_that_is_none_is_refused(ietf: Ietf, tus: Tus, junk: str) -> None:
    assert_creates_nothing(ietf, tus, raw("Upload-Complete", junk))
    target = ietf.created(body=b"hello")
    assert ietf.patch(target, 5, b" world", raw("Upload-Complete", junk)).status == 400
    assert ietf.stands(target) == ("?0", 5)
    old = Ietf(ietf.http, 3)
    assert_creates_nothing(old, tus, raw("Upload-Incomplete", junk))
    assert old.patch(target, 5, b" world", raw("Upload-Incomplete", junk)).status == 400


@pytest.mark.parametrize("junk", NO_DIGESTS)
def test_a_digest_that_is_none_is_refused(ietf: Ietf, tus: Tus, junk: str) -> None:
    assert_creates_nothing(ietf, tus, COMPLETE, raw("Content-Digest", junk))
    assert_creates_nothing(ietf, tus, COMPLETE, raw("Repr-Digest", junk))
    target = ietf.created(body=b"hello")
    assert ietf.patch(target, 5, b" world", MORE, raw("Content-Digest", junk)).status == 400
    assert ietf.stands(target) == ("?0", 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upload-Length", "005"),
        ("Upload-Length", "5;a=1;b"),
        ("Upload-Offset", "-0"),
        ("Upload-Offset", "000000000000000"),
        ("Upload-Complete", "?1;q=0.5"),
    ],
)
def test_what_looks_odd_and_is_right_is_taken(ietf: Ietf, name: str, value: str) -> None:
    headers: list[Header] = [(name, value)] if name == "Upload-Complete" else [COMPLETE, (name, value)]
    assert ietf.create(b"hello", *headers).status == 201


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("", "unnamed"),
        ("inline", "unnamed"),
        (";;;;", "unnamed"),
        ("inline; filename", "unnamed"),
        ('inline; filename="', "unnamed"),
        ("inline; filename=plain.txt", "plain.txt"),
        ('inline; filename="a; b=c.txt"', "a; b=c.txt"),
        ('inline; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        ('inline; filename="../../etc/passwd"', "passwd"),
        ('inline; filename="C:\\\\temp\\\\x.txt"', "x.txt"),
        ("inline; filename*=UTF-8''%2e%2e%2fetc%2fpasswd", "passwd"),
        ("inline; filename*=UTF-8''%00%0d%0aX-Evil:1", "X-Evil:1"),
        ("inline; filename*=UTF-8''%ff%fe; filename=b", "\ufffd\ufffd"),
        ("inline; filename*=UTF-16''a; filename=b", "b"),
        ("inline; filename*=nonsense; filename=b", "b"),
        ("inline; filename*=iso-8859-1'en'%A3.txt; filename=b", "£.txt"),
        ("form-data; name=x; FileName=up.txt; filename=second", "up.txt"),
        ('inline; filename="słońce.txt"', "słońce.txt"),
        ('inline; filename="' + "n" * 4096 + '"', "n" * 255),
    ],
)
def test_a_name_is_shown_and_never_harms(ietf: Ietf, sent: str, name: str) -> None:
    answer = ietf.create(b"hello", COMPLETE, ("Content-Disposition", sent.encode()))
    assert (answer.status, answer.json()["name"]) == (201, name)
    download = ietf.http.get(target_of(answer))
    assert download.body == b"hello"
    assert download.header("X-Evil") is None


@pytest.mark.parametrize("sent", ["text", "text/", "text/html\x01", "a/b/c", "text/plain, x/y", "t" * 5000, "", "é/x"])
def test_a_media_type_that_is_none_promises_nothing(ietf: Ietf, sent: str) -> None:
    answer = ietf.create(b"hello", COMPLETE, raw("Content-Type", sent))
    if answer.status != 400:  # control characters never get as far as here
        assert answer.json()["media_type"] == "application/octet-stream"


def test_a_flood_of_quotes_and_semicolons_takes_no_time(ietf: Ietf) -> None:
    flood = "inline" + ';a="' * 5000
    assert ietf.create(b"hello", COMPLETE, ("Content-Disposition", flood)).status == 201
    for name in ("Content-Digest", "Upload-Length", "Upload-Complete"):
        for junk in ("a=(" * 5000, ";a" * 8000, '"' + "\\" * 15000, ":" + "=" * 15000, "9" * 15000):
            assert ietf.create(b"hello", MORE, (name, junk), within=5).status in (201, 400)
