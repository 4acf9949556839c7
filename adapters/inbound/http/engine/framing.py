"""Where a body ends, whether the connection goes on behind it, and what a reply's head looks like (RFC 9112)."""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache

from adapters.inbound.common.errors import Refusal, title_of

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Content-Length, 0 without a body; None for a chunked one."""
    if "Transfer-Encoding" in headers:
        return None
    length = headers.get("Content-Length", "0")
    return int(length) if _LENGTH.fullmatch(length) else 0


class Unreadable(Refusal):
    """What comes is no request, or can be read in two ways: nothing behind it is read as one any more."""

    def __init__(
        self,
        detail: str,
        status: int = 400,
        code: str = "invalid_request",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, detail, headers)


class CutShort(Refusal):
    """The body stalled or ended before its announced end. Clients take a 4xx for the last word and give up; this goes
    better next time, from what came of it."""

    log_level = logging.INFO  # no trouble of ours: clients come and go

    def __init__(self) -> None:
        words = "the body ended before its announced end: send it again, an upload from where HEAD says it is"
        super().__init__(503, "body_cut", words)


def check_framing(headers: Mapping[str, str], version: str) -> None:
    """Stricter than the standard, and before any use case runs: two readings of one body are how requests are
    smuggled."""
    coding = headers.get("Transfer-Encoding")
    if coding is not None and "Content-Length" in headers:
        raise Unreadable("Content-Length and Transfer-Encoding rule each other out")
    if coding is not None and coding.strip().lower() != "chunked":
        raise Unreadable("the only transfer coding understood is chunked")
    if coding is not None and version == "HTTP/1.0":
        raise Unreadable("HTTP/1.0 has no transfer codings")  # §6.1: to be taken for a fault
    if not _LENGTH.fullmatch(headers.get("Content-Length", "0")):
        raise Unreadable("Content-Length is not one number of at most 18 digits")


def check_wishes(headers: Mapping[str, str], version: str) -> None:
    """Raises:
    Refusal: what the head asks for is not done here.
    """
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "unsupported_media_type", "bodies are taken as they are, without Content-Encoding")
    if version == "HTTP/1.1" and _members(headers.get("Expect", "")) - {"100-continue"}:
        raise Refusal(417, "expectation_failed", "the only expectation understood is 100-continue")


def awaits_continue(headers: Mapping[str, str], version: str) -> bool:
    """Whether the client may wait for our word before it sends the body; HTTP/1.0 has no such word."""
    return version == "HTTP/1.1" and "100-continue" in _members(headers.get("Expect", ""))


def understands_interim(headers: Mapping[str, str], version: str) -> bool:
    """RFC 9110 §15.2: HTTP/1.0 knows none. §15: proxies pass them on; but nginx takes the first for the last, so that
    the next request on its client's connection waits until ours is closed, and over HTTP/2 this one fails. A proxy that
    keeps to the letter names itself in ``Via`` (§7.6.3); of one that does not it is not believed.
    """
    is_forwarded = any(name in headers for name in _FORWARDED)
    return version != "HTTP/1.0" and ("Via" in headers or not is_forwarded)


def keeps_alive(headers: Mapping[str, str], version: str) -> bool:
    """RFC 9112 §9.3: whether the client wants to send more on this connection."""
    wishes = _members(headers.get("Connection", ""))
    return "close" not in wishes and (version == "HTTP/1.1" or "keep-alive" in wishes)


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    """A response up to the end of its headers."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} {title_of(status)}\r\n{''.join(lines)}\r\n".encode("latin-1")


@lru_cache(maxsize=16)  # asked of every request, and hardly any says anything new
def _members(value: str) -> frozenset[str]:
    """Those of a list (RFC 9110 §5.6.1) of words whose case says nothing."""
    return frozenset(member for word in value.lower().split(",") if (member := word.strip()))
