"""Requests that two servers would read in two ways, floods of heads and parts, bodies that are not what they seem."""

import gzip
from collections.abc import Callable, Sequence
from functools import cache

from tests.e2e.attacks.besieged import Attack, Besieged, Told, asked, sent
from tests.e2e.attacks.names import JSON
from tests.e2e.test_form_upload import BOUNDARY, MULTIPART, Part, file_part, form
from tests.e2e.tus import BYTES, VERSION
from tests.support.wire import Header

KIB = 1024
FRAMING, FORMS, JUNK = "e2e/test_framing.py", "e2e/test_form_upload.py", "e2e/test_tus_junk.py"
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def put(head: bytes, body: bytes = b"0\r\n\r\n", *, version: bytes = b"1.1") -> Callable[[Besieged], Told]:
    """With another request behind it."""
    line = b"PUT /upload/a HTTP/" + version + b"\r\nHost: localhost\r\n"
    return sent(line + head + b"\r\n\r\n" + body + SMUGGLED)


def head(lines: bytes, target: bytes = b"/health") -> Callable[[Besieged], Told]:
    return sent(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n" + SMUGGLED)


def posted(*parts: Part, target: str = "/upload") -> Callable[[Besieged], Told]:
    return asked("POST", target, MULTIPART, body=lambda: form(*parts))


def encoded(method: str, target: str, *headers: Header, coding: str = "gzip") -> Callable[[Besieged], Told]:
    return asked(method, target, ("Content-Encoding", coding), *headers, body=bomb)


@cache
def bomb() -> bytes:
    """20 MiB of nothing."""
    return gzip.compress(bytes(20 * KIB * KIB))


_BAD, _CODED = (400, "invalid_request"), (415, "unsupported_media_type")
_BROKEN = (400, "invalid_form")

ATTACKS: Sequence[Attack] = (
    # smuggling
    Attack("a length and chunks", put(CHUNKED + b"\r\nContent-Length: 5"), _BAD, FRAMING),
    Attack("chunks and a length", put(b"Content-Length: 5\r\n" + CHUNKED), _BAD, FRAMING),
    Attack("two lengths of a body", put(b"Content-Length: 5\r\nContent-Length: 50"), _BAD, FRAMING),
    Attack("one length said twice in a line", put(b"Content-Length: 5, 5"), _BAD, FRAMING),
    Attack("chunks that are none", put(b"Transfer-Encoding: xchunked"), _BAD, FRAMING),
    Attack("chunks within chunks", put(b"Transfer-Encoding: chunked, chunked"), _BAD, FRAMING),
    Attack("chunks, then identity", put(CHUNKED + b"\r\nTransfer-Encoding: identity"), _BAD, FRAMING),
    Attack("chunks behind a vertical tab", put(b"Transfer-Encoding: \x0bchunked"), _BAD, FRAMING),
    Attack("white space before the colon", put(b"Transfer-Encoding : chunked"), _BAD, FRAMING),
    Attack("a folded header", put(b"X-A: b\r\n Transfer-Encoding: chunked"), _BAD, FRAMING),
    Attack("a bare carriage return", put(b"X-A: b\rTransfer-Encoding: chunked"), _BAD, FRAMING),
    Attack("a NUL in a header", put(b"X-A: b\0" + CHUNKED), _BAD, FRAMING),
    Attack("chunks by HTTP/1.0", put(CHUNKED, version=b"1.0"), _BAD, FRAMING),
    Attack("a chunk of minus one", put(CHUNKED, b"-1\r\n\r\n0\r\n\r\n"), _BAD, FRAMING),
    Attack("a chunk of 17 digits", put(CHUNKED, b"1" * 17 + b"\r\n"), _BAD, FRAMING),
    Attack("a chunk that is longer than it says", put(CHUNKED, b"1\r\nabcdef\r\n0\r\n\r\n"), _BAD, FRAMING),
    Attack("a chunk whose line has no carriage return", put(CHUNKED, b"5\nhello\n0\n\n"), _BAD, FRAMING),
    Attack("two hosts", head(b"Host: evil.test\r\n"), _BAD, FRAMING),
    Attack("a user in the target", head(b"", b"http://localhost@evil.test/health"), _BAD, FRAMING),
    Attack(
        "a tunnel",
        sent(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n" + SMUGGLED),
        (405, "method_not_allowed"),
        FRAMING,
    ),
    Attack("another protocol", sent(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (505, "unsupported_http_version"), FRAMING),
    # floods
    Attack("a header of 64 KiB", head(b"X-A: " + b"a" * 64 * KIB + b"\r\n"), (431, "headers_too_long"), FRAMING),
    Attack("10,000 headers", head(b"X-A: b\r\n" * 10_000), (431, "headers_too_long"), FRAMING),
    Attack("a target of 64 KiB", head(b"", b"/" + b"a" * 65 * KIB), (414, "target_too_long"), FRAMING),
    Attack(
        "extensions of chunks without end", put(CHUNKED, b"1;" + b"a" * 17 * KIB + b"\r\nx\r\n0\r\n\r\n"), _BAD, FRAMING
    ),
    Attack("trailers without end", put(CHUNKED, b"0\r\n" + b"X-A: b\r\n" * 3000 + b"\r\n"), _BAD, FRAMING),
    Attack("1,001 parts", posted(*[file_part(b"x")] * 1001), (413, "too_many_form_parts"), FORMS),
    Attack("1,001 fields", posted(*[Part('; name="a"', b"")] * 1001), (413, "too_many_form_parts"), FORMS),
    Attack(
        "a part's header of 17 KiB",
        posted(Part(f'; name="file"; filename="{"a" * 17 * KIB}"', b"x")),
        (413, "part_header_too_large"),
        FORMS,
    ),
    Attack(
        "a hundred headers of a part",
        posted(Part('; name="file"; filename="a"' + "\r\nX-A: b" * 100, b"x")),
        (413, "part_header_too_large"),
        FORMS,
    ),
    Attack(
        "a form without an end", asked("POST", "/upload", MULTIPART, body=form(file_part(b"x"))[:-6]), _BROKEN, FORMS
    ),
    Attack(
        "a boundary of 2,000 letters",
        asked("POST", "/upload", ("Content-Type", f"multipart/form-data; boundary={'b' * 2000}"), body=b""),
        _BROKEN,
        FORMS,
    ),
    Attack(
        "a form in a form",
        posted(Part('; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64', b"eA==")),
        _CODED,
        FORMS,
    ),
    # bodies that would unfold
    Attack("a bomb by PUT", encoded("PUT", "/upload/a.txt"), _CODED, FORMS),
    Attack("a bomb in other letters", encoded("PUT", "/upload/a.txt", coding="GZip, identity"), _CODED, JUNK),
    Attack("a bomb by tus", encoded("POST", "/uploads", VERSION, BYTES, ("Upload-Length", "20480")), _CODED, JUNK),
    Attack(
        "a bomb by a form",
        encoded("POST", "/upload", ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")),
        _CODED,
        FORMS,
    ),
    Attack(
        "a bomb for pictures", encoded("POST", "/images", MULTIPART, coding="deflate"), _CODED, "e2e/test_images.py"
    ),
    Attack("a bomb of JSON", encoded("POST", "/instructions", JSON, coding="br"), _CODED, "e2e/test_instructions.py"),
    Attack(
        "a bomb in a part",
        posted(Part('; name="file"; filename="a"\r\nContent-Encoding: gzip', b"\x1f\x8b\x08")),
        _CODED,
        FORMS,
    ),
)
