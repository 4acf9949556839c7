"""Where a body ends and what a reply's head looks like: HTTP/1.1 beneath the routes (RFC 9112)."""

import re
from collections.abc import Mapping

from adapters.inbound.common.errors import Refusal, title_of

# A refusal goes out at once, but closing on bytes still under way would reset the connection and could take the
# answer with it: so much longer, and so many bytes, are read and thrown away.
LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Content-Length, 0 without a body; None for a chunked one."""
    if "Transfer-Encoding" in headers:
        return None
    length = headers.get("Content-Length", "0")
    return int(length) if _LENGTH.fullmatch(length) else 0


class AmbiguousFraming(Refusal):
    """Where the body ends can be read in two ways."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "invalid_request", detail, {"Connection": "close"})


class CutShort(Refusal):
    """The body stalled or ended before its announced end. Clients take a 4xx for the last word and give up; this goes
    better next time, from what came of it."""

    def __init__(self) -> None:
        words = "the body ended before its announced end: send it again, an upload from where HEAD says it is"
        super().__init__(503, "body_cut", words)


def check_framing(headers: Mapping[str, str]) -> None:
    """Stricter than Tornado, and before any use case runs: two readings of one body are how requests are smuggled."""
    coding = headers.get("Transfer-Encoding")
    if coding is not None and ("Content-Length" in headers or coding.strip().lower() != "chunked"):
        raise AmbiguousFraming("the only transfer coding understood is chunked")
    if not _LENGTH.fullmatch(headers.get("Content-Length", "0")):
        raise AmbiguousFraming("Content-Length is not a number")
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "unsupported_media_type", "bodies are taken as they are, without Content-Encoding")


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    """A response up to the end of its headers, for those that don't go through Tornado."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} {title_of(status)}\r\n{''.join(lines)}\r\n".encode("latin-1")
