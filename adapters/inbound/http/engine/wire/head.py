"""A request's head, by the letter of RFC 9112: made a request, or refused in our own words.

What is lenient here is what the standard asks for or common clients need; what two servers could read in two ways is
refused. Whoever sent it, a refused head ends its connection.
"""

import re
from contextlib import suppress
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine

from adapters.inbound.http.engine.framing import Unreadable, check_framing
from adapters.inbound.http.engine.wire.connection import Connection

MAX_HEAD_BYTES = 64 * 1024
_END = re.compile(rb"\r?\n\r?\n")  # §2.2: a line feed alone may be taken for the end of a line
_METHOD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TARGET = r"[\x21-\x7e\x80-\xff]+"
_NO_BEGINNING = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_LINE = re.compile(rf"({_METHOD}) ({_TARGET}) HTTP/([0-9])\.([0-9])")
_BEGUN_LINE = re.compile(rf"({_METHOD}) ({_TARGET})")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^#]*)")
_NO_HTTP = "the request's first line is none of HTTP/1.1"
_HOST = re.compile(r"(?:\[[0-9A-Za-z:.%~_\-]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]*)(?::[0-9]*)?")


def end_of_head(text: bytes) -> int:
    """Where the body begins; 0 if the head is not here whole.

    Raises:
        Unreadable: it is longer than any head may be, or something else altogether (TLS, say).
    """
    if _NO_BEGINNING.match(text):
        raise Unreadable(_NO_HTTP)
    found = _END.search(text, 0, MAX_HEAD_BYTES)
    if found is None and len(text) >= MAX_HEAD_BYTES:
        most = f"at most {MAX_HEAD_BYTES // 1024} KiB"
        if b"\n" in text:
            raise Unreadable(f"the headers are too long: {most}", 431, "headers_too_long")
        raise Unreadable(f"the request's first line is too long: {most}", 414, "target_too_long")
    return found.end() if found else 0


def parse_head(text: bytes, connection: Connection) -> HTTPServerRequest:
    """Raises:
    Unreadable: see above.
    """
    line, _, rest = text.decode("latin-1").partition("\n")
    found = _LINE.fullmatch(line.rstrip("\r"))
    if found is None:
        raise Unreadable(_NO_HTTP)
    method, target, major, minor = found.groups()
    if major != "1":
        raise Unreadable("this version of HTTP is not spoken here", 505, "unsupported_http_version")
    version = "HTTP/1.0" if minor == "0" else "HTTP/1.1"
    try:
        headers = HTTPHeaders.parse(rest)
    except HTTPInputError:
        raise Unreadable("a header is not a name, a colon and a value, or has characters that none may have") from None
    check_framing(headers, version)
    _check_host(headers, version)
    target = _origin_form(method, target, headers)
    return _request(RequestStartLine(method, target, version), headers, connection)


def salvaged(text: bytes, connection: Connection) -> HTTPServerRequest:
    """What can be told of a head that is refused: to the log, and to the page that sent it."""
    first, *lines = text.decode("latin-1").split("\n")
    headers = HTTPHeaders()
    for line in lines:
        with suppress(HTTPInputError):
            headers.parse_line(line + "\n")
    for name in ("Host", "Content-Length", "Transfer-Encoding", "Expect", "Connection"):
        headers.pop(name, None)
    found = _BEGUN_LINE.match(first)
    method, target = found.groups() if found else ("?", "?")
    path = target.partition("?")[0]
    with suppress(Unreadable):
        path = _origin_form(method, path, HTTPHeaders())
    return _request(RequestStartLine(method, path, "HTTP/1.0"), headers, connection)


def _request(line: RequestStartLine, headers: HTTPHeaders, connection: Connection) -> HTTPServerRequest:
    # Tornado finds who is at the other end through the connection; of ours it knows nothing else.
    known: Any = connection
    try:
        return HTTPServerRequest(start_line=line, headers=headers, connection=known)
    except HTTPInputError:
        raise Unreadable("the query has too many fields, or the host is none") from None


def _check_host(headers: HTTPHeaders, version: str) -> None:
    """RFC 9112 §3.2."""
    hosts = headers.get_list("Host")
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise Unreadable("one Host header is needed")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Unreadable("the Host header names no host")


def _origin_form(method: str, target: str, headers: HTTPHeaders) -> str:
    """A path and its query, whatever the form of the target (RFC 9112 §3.2); an absolute one names the host, too."""
    if target.startswith("/"):
        return target
    if target == "*" and method == "OPTIONS":
        return target
    if method == "CONNECT":
        allowed = {"Allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
        raise Unreadable("this is no proxy", 405, "method_not_allowed", allowed)
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise Unreadable("the request's target is neither a path nor a URL")
    scheme, authority, path = found.groups()
    if scheme.lower() not in ("http", "https"):
        raise Unreadable("only http and https are served here")
    # RFC 9110 §4.2.1 and §4.2.4: a URL without a host is none, and one with a user's name in it means harm.
    if not _HOST.fullmatch(authority) or authority.startswith(":") or not authority:
        raise Unreadable("the URL in the request's first line names no host")
    headers["Host"] = authority  # §3.2.2: what the header said is ignored
    if not path:
        return "*" if method == "OPTIONS" else "/"  # §3.2.4
    return path if path.startswith("/") else f"/{path}"
