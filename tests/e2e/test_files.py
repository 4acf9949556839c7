"""Stored files: their record, their bytes, their validators, and headers under which no browser runs them.

Contract §2.9: strong ETag, Last-Modified, Range (206/416), If-None-Match, If-Match, If-Range, RFC 6266 names,
nosniff, ``Content-Security-Policy: default-src 'none'; sandbox``; inline only for JPEG, PNG, WEBP and GIF.
RFC 9110 §13 (conditions), §14 (ranges).
"""

import io
import os
import re
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import unquote

import PIL.Image
import pytest

from tests.e2e.beneath import beneath
from tests.e2e.conftest import everywhere, on_each_database
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.server import ServerProcess
from tests.support.until import becomes
from tests.support.wire import Header, Http, Response

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
HEADERS = ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition")
UNKNOWN = "0123456789abcdef" * 2
DISPOSITION = re.compile(
    r"""(?P<type>inline|attachment)
        (?:;\ *filename="(?P<plain>(?:[^"\\\x00-\x1f\x7f-\xff]|\\["\\])*)")?
        (?:;\ *filename\*=UTF-8''(?P<extended>(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})+))?$""",
    re.VERBOSE,
)


def stored(tus: Tus, content: bytes, name: str = "a.bin", media_type: str = "application/octet-stream") -> str:
    """The target of the content of a new file."""
    return f"/files/{id_of(tus.completed(content, metadata(filename=name, filetype=media_type)))}/content"


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), "teal").save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def target(tus: Tus) -> str:
    """A file of CONTENT that no test changes."""
    return stored(tus, CONTENT)


@pytest.fixture(scope="module")
def etag(http: Http, target: str) -> str:
    value = http.get(target).header("ETag")
    assert value is not None
    return value


# --- the record


@everywhere
def test_a_file_has_a_record(tus: Tus, http: Http) -> None:
    upload = tus.completed(b"hello", metadata(filename="a.txt", filetype="text/plain"))
    answer = http.get(f"/files/{id_of(upload)}")
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").startswith("application/json")
    record = answer.json()
    assert record["id"] == id_of(upload)
    assert (record["name"], record["size"], record["media_type"]) == ("a.txt", 5, "text/plain")
    again = http.get(f"/files/{id_of(upload)}/").json()
    assert again == {**record, "sha256": again["sha256"]}  # which a chore may have found out meanwhile


def test_head_of_a_record_has_its_headers_and_no_body(tus: Tus, http: Http) -> None:
    target = f"/files/{id_of(tus.completed(b'hello'))}"
    get, head = http.get(target), http.request("HEAD", target)
    assert (head.status, head.body) == (200, b"")
    assert head.header("Content-Type") == get.header("Content-Type")


@everywhere
def test_a_deleted_file_is_gone_with_its_bytes(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    content = stored(tus, mark * 100)
    target = content.removesuffix("/content")
    assert len(beneath(module_server).holding(mark)) == 1
    assert http.request("DELETE", target).status == 204
    for method in ("GET", "HEAD", "DELETE"):
        assert http.request(method, target).status in (404, 410)
    for method in ("GET", "HEAD"):
        assert http.request(method, content).status in (404, 410)
    assert becomes(lambda: beneath(module_server).holding(mark) == [])  # a bucket may be asked again


@pytest.mark.parametrize(
    "strange", [UNKNOWN, "0", "..", "%2e%2e%2ffiles.db", "A" * 4096, "%00", UNKNOWN[:-1], "x" * 32]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_no_files_id_is_not_found(http: Http, method: str, strange: str) -> None:
    assert http.request(method, f"/files/{strange}").status == 404
    if method != "DELETE":
        assert http.request(method, f"/files/{strange}/content").status == 404


@everywhere
def test_an_unfinished_upload_is_no_file(tus: Tus, http: Http) -> None:
    upload = tus.created(10)
    tus.patch(upload, 0, b"hello")
    assert http.get(f"/files/{id_of(upload)}").status == 404
    assert http.get(f"/files/{id_of(upload)}/content").status == 404


@everywhere
def test_a_file_taken_away_behind_our_back_is_gone_and_no_error(
    tus: Tus, http: Http, module_server: ServerProcess
) -> None:
    mark = os.urandom(64).hex().encode()
    content = stored(tus, mark)
    for name in beneath(module_server).holding(mark):
        beneath(module_server).take_away(name)
    for answer in (
        http.get(content),
        http.request("HEAD", content),
        http.get(content, ("Range", "bytes=0-1")),
    ):
        assert answer.status == 410
    assert http.get(content).json()["status"] == 410
    assert http.get("/health").status == 200


@everywhere
def test_a_file_cut_short_behind_our_back_is_not_given_out(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    content = stored(tus, mark)
    for name in beneath(module_server).holding(mark):
        beneath(module_server).cut_short(name)
    assert http.get(content).status == 410


# --- the bytes


@everywhere
def test_the_content_comes_whole_and_bounded(http: Http, target: str) -> None:
    answer = http.get(target)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.header("Content-Length") == str(len(CONTENT))
    assert answer.header("Accept-Ranges") == "bytes"
    assert http.get(target + "/").body == CONTENT


@everywhere
def test_head_tells_what_get_would(http: Http, target: str) -> None:
    get, head = http.get(target), http.request("HEAD", target)
    assert (head.status, head.body) == (200, b"")
    for name in HEADERS:
        assert head.header(name) == get.header(name), name


@everywhere
def test_an_empty_file_has_empty_content(http: Http, tus: Tus) -> None:
    empty = stored(tus, b"")
    answer = http.get(empty)
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")
    for asked in ("bytes=0-", "bytes=0-0", "bytes=5-10", "bytes=-5", "bytes=-0"):
        ranged = http.get(empty, ("Range", asked))
        assert (ranged.status, ranged.body, ranged.header("Content-Length")) == (200, b"", "0"), asked


@everywhere
def test_a_big_file_comes_byte_for_byte_over_one_connection(http: Http, tus: Tus) -> None:
    content = os.urandom(5_000_011)
    target = stored(tus, content)
    with http.connect() as connection:
        for _ in range(2):
            connection.send_head("GET", target)
            assert connection.receive().body == content
        connection.send_head("GET", "/health")
        assert connection.receive().status == 200


@everywhere
def test_a_reader_that_leaves_disturbs_nobody(http: Http, tus: Tus) -> None:
    content = os.urandom(5_000_000)
    target = stored(tus, content)
    for leave in ("reset", "close"):
        connection = http.connect()
        connection.send_head("GET", target)
        connection.take(10_000)
        connection.reset() if leave == "reset" else connection.close()
    assert http.get(target).body == content


@everywhere
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10000, 10240),
        ("bytes=-1", 10239, 10240),
        ("bytes=-500", 9740, 10240),
        ("bytes=-99999", 0, 10240),
        ("bytes=0-99999", 0, 10240),
        ("bytes=10239-10239", 10239, 10240),
        ("bytes=0-", 0, 10240),
        ("BYTES=5-6", 5, 7),
    ],
)
def test_a_range_is_cut_out(http: Http, target: str, asked: str, start: int, end: int) -> None:
    answer = http.get(target, ("Range", asked))
    assert (answer.status, answer.body) == (206, CONTENT[start:end])
    assert answer.header("Content-Range") == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.header("Content-Length") == str(end - start)
    assert answer.header("ETag") == http.get(target).header("ETag")


@pytest.mark.parametrize(
    "asked", ["bytes=10240-", "bytes=10240-10250", "bytes=99999-", "bytes=-0", "bytes=999999999999999-"]
)
def test_a_range_beyond_the_end_is_refused(http: Http, target: str, asked: str) -> None:
    answer = http.get(target, ("Range", asked))
    assert answer.status == 416
    assert answer.header("Content-Range") == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "lines=0-5",
        "bytes 0-5",
        "bytes=0-5-7",
        "bytes=+0-5",
        "bytes=9" + "0" * 30 + "-",
        "junk",
        "bytes=٠-٥",
    ],
)
def test_a_malformed_range_is_let_be(http: Http, target: str, asked: str) -> None:
    """RFC 9110 §14.2: what is not understood is ignored; it may be refused as well."""
    answer = http.get(target, ("Range", asked))
    assert (answer.status, answer.body) == (200, CONTENT) or answer.status in (400, 416)


def test_of_several_ranges_none_is_lost(http: Http, target: str) -> None:
    """One range is what we serve; for more, the whole is a right answer, a part of what was asked is not."""
    for asked in ("bytes=0-1,5-6", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2000, 2))):
        answer = http.get(target, ("Range", asked))
        assert (answer.status, answer.body) == (200, CONTENT) or answer.status == 416


@everywhere
def test_an_upload_takes_ranges_too(http: Http, tus: Tus) -> None:
    answer = http.get(tus.completed(b"hello world"), ("Range", "bytes=6-10"))
    assert (answer.status, answer.body) == (206, b"world")


# --- validators


@everywhere
def test_the_validators_are_strong_and_steady(http: Http, target: str, etag: str) -> None:
    assert re.fullmatch(r'"[!#-~]+"', etag)
    again = http.get(target)
    assert again.header("ETag") == etag
    modified = again.header("Last-Modified")
    assert modified is not None and modified.endswith(" GMT")
    assert parsedate_to_datetime(modified).tzinfo is not None


@everywhere
def test_other_bytes_have_another_etag(http: Http, tus: Tus, etag: str) -> None:
    assert http.get(stored(tus, CONTENT[::-1])).header("ETag") != etag


@pytest.mark.parametrize("listed", ["{etag}", "*", '"other", {etag}', "W/{etag}", '"a","b",{etag}'])
def test_a_known_file_is_not_sent_again(http: Http, target: str, etag: str, listed: str) -> None:
    condition: Header = ("If-None-Match", listed.format(etag=etag))
    answer = http.get(target, condition)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.header("ETag") == etag
    assert http.request("HEAD", target, [condition]).status == 304


@pytest.mark.parametrize("listed", ['"other"', 'W/"other"', "junk", '"unclosed'])
def test_an_unknown_etag_brings_the_whole_file(http: Http, target: str, listed: str) -> None:
    assert http.get(target, ("If-None-Match", listed)).body == CONTENT


def test_a_match_is_asked_for_strongly(http: Http, target: str, etag: str) -> None:
    for listed in (etag, "*", f'"other", {etag}'):
        assert http.get(target, ("If-Match", listed)).status == 200
    for listed in ('"other"', f"W/{etag}", '"a", "b"'):
        assert http.get(target, ("If-Match", listed)).status == 412


def test_a_match_comes_before_a_none_match(http: Http, target: str, etag: str) -> None:
    """RFC 9110 §13.2.2: the order in which the conditions are weighed."""
    assert http.get(target, ("If-Match", '"other"'), ("If-None-Match", etag)).status == 412
    assert http.get(target, ("If-Match", etag), ("If-None-Match", etag)).status == 304


@everywhere
def test_a_range_is_given_only_of_the_file_that_was_begun(http: Http, target: str, etag: str) -> None:
    asked: Header = ("Range", "bytes=0-9")
    modified = http.get(target).header("Last-Modified") or ""
    for same in (etag, modified):
        assert http.get(target, asked, ("If-Range", same)).status in ((206,) if same == etag else (200, 206))
    for other in ('"other"', f"W/{etag}", formatdate(0, usegmt=True), "junk"):
        answer = http.get(target, asked, ("If-Range", other))
        assert (answer.status, answer.body) == (200, CONTENT)


# --- nothing that we serve runs


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("GIF", "image/gif")],
)
def test_pictures_are_shown_inline(http: Http, tus: Tus, kind: str, media_type: str) -> None:
    answer = http.get(stored(tus, picture(kind), f"a.{kind.lower()}", media_type))
    assert answer.header("Content-Type") == media_type
    assert _disposition(answer)["type"] == "inline"
    _assert_harmless(answer)


@on_each_database
@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("a.html", "text/html", b"<script>alert(1)</script>"),
        ("a.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("a.xml", "application/xml", b'<?xml-stylesheet href="x.xsl"?><x/>'),
        ("a.xhtml", "application/xhtml+xml", b"<html/>"),
        ("a.pdf", "application/pdf", b"%PDF-1.4"),
        ("a.js", "text/javascript", b"alert(1)"),
        ("a.txt", "text/plain", b"<html>"),
        ("a.bmp", "image/bmp", b"BM"),
        ("a.heic", "image/heic", b"\x00\x00\x00\x18ftypheic"),
        ("a", "", b"<html>"),
        ("a", "junk", b"<html>"),
        ("a", "text/html; charset=utf-7", b"+ADw-script+AD4-"),
        ("a", "image/png\r\nX-Evil: 1", b"<html>"),
        ("a", "image/png, text/html", b"<html>"),
        ("a.mhtml", "multipart/x-mixed-replace; boundary=x", b"--x"),
    ],
)
def test_everything_else_is_an_attachment(http: Http, tus: Tus, name: str, media_type: str, content: bytes) -> None:
    answer = http.get(stored(tus, content, name, media_type))
    assert answer.body == content
    assert _disposition(answer)["type"] == "attachment"
    assert answer.header("X-Evil") is None
    _assert_harmless(answer)


def test_a_page_that_calls_itself_a_picture_stays_one(http: Http, tus: Tus) -> None:
    answer = http.get(stored(tus, b"<html><script>alert(1)</script></html>", "a.png", "image/png"))
    _assert_harmless(answer)
    assert answer.header("Content-Type") != "text/html"


@on_each_database
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain.txt", "plain.txt"),
        ("with space.txt", "with space.txt"),
        ("łódź ✓ 日本.txt", "łódź ✓ 日本.txt"),
        ('say "hi".txt', 'say "hi".txt'),
        ("semi;colon,comma.txt", "semi;colon,comma.txt"),
        ("100%41.txt", "100%41.txt"),
        ("it's.txt", "it's.txt"),
        ("back\\slash.txt", None),
        ("../../etc/passwd", None),
        ("/etc/passwd", None),
        ("a\r\nX-Evil: 1\r\n\r\n<html>", None),
        ("nul\0.txt", None),
        ("\x1b[31mred.txt", None),
        ("\u202egnp.exe", None),
        ("\ud7ff\ue000.txt", None),
        ("x" * 4096, None),
        ("", None),
        (" ", None),
        (".", None),
        ("..", None),
        ("CON", None),
        ("\u00a0", None),
        ("é" * 300, None),
        ("\U0001f6a2" * 50, None),
    ],
    ids=ascii,
)
def test_a_name_cannot_break_out_of_its_header(http: Http, tus: Tus, name: str, shown: str | None) -> None:
    answer = http.get(stored(tus, b"hello", name))
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.header("X-Evil") is None
    given = _disposition(answer)
    says = unquote(given["extended"] or given["plain"] or "")
    assert not set(says) & {"/", "\\", "\r", "\n", "\0", "\u202e", "\x1b"}
    if shown is not None:
        assert says == shown


@on_each_database
def test_a_name_that_is_not_utf8_is_still_a_name(http: Http, tus: Tus) -> None:
    upload = tus.completed(b"hello", metadata(filename=b"caf\xe9\xff.txt"))
    answer = http.get(f"/files/{id_of(upload)}/content")
    assert answer.status == 200
    assert _disposition(answer)["type"] == "attachment"


def _disposition(answer: Response) -> dict[str, str | None]:
    """The parts of a Content-Disposition that keeps to RFC 6266 (and is ASCII, as RFC 9110 wants fields)."""
    value = answer.header("Content-Disposition")
    assert value is not None
    found = DISPOSITION.fullmatch(value)
    assert found, f"not RFC 6266: {value!r}"
    parts = found.groupdict()
    if parts["extended"] is None and parts["plain"] is not None:
        parts["plain"] = re.sub(r"\\(.)", r"\1", parts["plain"]).replace("%", "%25")
    return parts


def _assert_harmless(answer: Response) -> None:
    assert answer.header("X-Content-Type-Options") == "nosniff"
    policy = [directive.strip() for directive in (answer.header("Content-Security-Policy") or "").split(";")]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
