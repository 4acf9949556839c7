"""What a setting's value can be: sizes, durations, lists and the like, as they are written and shown again.

Pydantic has types for most of it. Ours stand where its own would take another value than was written, or refuse one
without saying what is allowed:

    ByteSize        reads 2.01GB as 2009999999 bytes, 1,5GiB as one and "5MB or so" as 5MB
    timedelta       knows ISO 8601 and plain seconds, not 30s and 24h
    int             takes 8_888
    IPvAnyNetwork   does not say that it is the host bits that are wrong
    AnyHttpUrl      takes passwords and queries, and changes what was written: example.org becomes example.org/
"""

import ipaddress
import os
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr, WrapSerializer

from adapters.inbound.common.uris import parse_host
from domain.errors import LongshoreError
from domain.size import MAX_SIZE, format_size

T = TypeVar("T")

_SECRET_LETTERS = 32
# What examples and tutorials have in place of a secret; chance does not write these.
_WELL_KNOWN = (
    *("changeme", "changethis", "changeit", "replaceme", "replacethis", "supersecret", "secretkey", "password"),
    *("yoursecret", "your256bitsecret", "your512bitsecret", "stringsecretatleast"),
)
_MAX_DURATION = timedelta(days=3650)
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]i?b?|b)?", re.ASCII | re.IGNORECASE)
_PIXELS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(mp)?", re.ASCII | re.IGNORECASE)
_LEAST_PIXELS = 10_000
"""Whoever says less has left out the unit: ``80`` would refuse every picture."""
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)?", re.ASCII | re.IGNORECASE)
_DURATION_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def parse_size(text: object) -> object:
    """``16MiB`` (1024s), ``5MB`` (1000s) or plain bytes, as bytes."""
    if not isinstance(text, str):
        return text
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("allowed: a size such as 16MiB, 5MB or 1048576")
    unit = (found[2] or "b").lower()
    factor = 1 if unit == "b" else (1024 if "i" in unit else 1000) ** ("kmgt".index(unit[0]) + 1)
    return int(Decimal(found[1]) * factor)


def parse_pixels(text: object) -> object:
    """``80MP`` (millions) or plain pixels."""
    if not isinstance(text, str):
        return text
    found = _PIXELS.fullmatch(text.strip())
    count = 0 if found is None else int(Decimal(found[1]) * (10**6 if found[2] else 1))
    if count < _LEAST_PIXELS:
        raise ValueError(f"allowed: {_LEAST_PIXELS} pixels or more, such as 80MP or 80000000")
    return count


def format_pixels(count: int) -> str:
    return f"{count // 10**6}MP" if count % 10**6 == 0 else str(count)


def parse_duration(text: object) -> object:
    """``500ms``, ``30s``, ``30m``, ``24h``, ``7d`` or plain seconds."""
    if not isinstance(text, str):
        return text
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("allowed: a duration such as 500ms, 30s, 30m, 24h or 7d")
    try:
        return float(found[1]) * _DURATION_UNITS[(found[2] or "s").lower()]
    except OverflowError:
        raise ValueError(f"allowed: at most {format_duration(_MAX_DURATION)}") from None


def format_duration(duration: timedelta) -> str:
    """As ``parse_duration`` reads it, in the largest unit that loses nothing; one day is 24h, as everybody says."""
    for unit, length in _DURATION_UNITS.items():
        if duration % length == timedelta(0) and (unit, duration) != ("d", length):
            return f"{duration // length}{unit}"
    return f"{duration.total_seconds()}s"


def mask_secrets(text: str) -> str:
    """``text`` without the password of a URL in it."""
    head, at, tail = text.rpartition("@")
    if at:
        scheme = re.match(r"[A-Za-z][\w.+-]*:/+", head)
        start = scheme[0] if scheme else ""
        user, colon, _ = head[len(start) :].partition(":")
        text = f"{start}{user + ':' if colon else ''}***@{tail}"
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]+", r"\1***", text)


def in_one_line(error: LongshoreError) -> str:
    """What went wrong and why, for the operator; no password is in it."""
    cause = mask_secrets(str(error.__cause__ or "")).partition("\n")[0]
    return error.detail + (f" ({cause})" if cause else "")


def within(low: int, high: int) -> BeforeValidator:
    def check(number: object) -> object:
        digits = str(number).strip()
        if not re.fullmatch(r"[0-9]{1,15}", digits, re.ASCII) or not low <= int(digits) <= high:
            raise ValueError(f"allowed: {low} to {high}")
        return int(digits)

    return BeforeValidator(check)


def words(text: object) -> object:
    """What stands between commas or blanks."""
    if not isinstance(text, str):
        return text
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def networks(text: object) -> object:
    text = words(text)
    if not isinstance(text, tuple):
        return text
    try:
        return tuple(ipaddress.ip_network(word) for word in text)
    except ValueError as error:
        raise ValueError(f"allowed: IP addresses and networks, separated by commas ({error})") from None


def lower(text: object) -> object:
    return text.strip().lower() if isinstance(text, str) else text


def upper(text: object) -> object:
    return text.strip().upper() if isinstance(text, str) else text


def is_web_address(text: str) -> bool:
    """Whether it is ``http://`` or ``https://``, a host, perhaps a port and a path, and nothing else."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parse_host(parts.hostname or "") is not None and parts.port != 0
    except ValueError:
        return False
    return good and not (set(text) & set(" \t\r\n\"'<>\\;,*?#@")) and text.isprintable()


def ascii_url(text: str) -> str:
    """A web address as it may stand in a header: its host by IDNA, its path percent-encoded."""
    if text.isascii():
        return text
    parts = urlsplit(text)
    port = "" if parts.port is None else f":{parts.port}"
    netloc = f"{parse_host(parts.hostname or '')}{port}"
    return urlunsplit(parts._replace(netloc=netloc, path=quote(parts.path, safe="/%:@!$&'()*+,;=~")))


def path_in_url(path: Path) -> str:
    """As it stands in a URL: a folder may be called ``50%20off`` or ``what?``. Other letters than ASCII's stay."""
    return re.sub(r"[\x00-\x7f]+", lambda found: quote(found[0]), str(path))


def path_of_url(text: str) -> Path:
    """The other way round."""
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(text))))


def _size_in_range(size: int) -> int:
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"allowed: 1 to {MAX_SIZE} bytes")
    return size


def _duration_in_range(duration: timedelta) -> timedelta:
    if not timedelta(milliseconds=100) <= duration <= _MAX_DURATION:
        raise ValueError(f"allowed: 100ms to {format_duration(_MAX_DURATION)}")
    return duration


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if len(text) < _SECRET_LETTERS or len(set(text)) < _SECRET_LETTERS // 4:
        raise ValueError(f"allowed: at least {_SECRET_LETTERS} letters at random, such as of `openssl rand -hex 32`")
    if any(word in plain for word in _WELL_KNOWN):
        raise ValueError("everybody knows it; allowed: letters at random, such as of `openssl rand -hex 32`")
    return secret


def _none_if_said(text: object) -> object:
    return None if isinstance(text, str) and text.strip().lower() == "none" else text


def _none_is_said(value: object, shown: Callable[[object], object]) -> object:
    return "none" if value is None else shown(value)


def _joined(items: tuple[object, ...]) -> str:
    return ",".join(map(str, items))


Size = Annotated[int, BeforeValidator(parse_size), AfterValidator(_size_in_range), PlainSerializer(format_size)]
Pixels = Annotated[int, BeforeValidator(parse_pixels), PlainSerializer(format_pixels)]
Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), AfterValidator(_duration_in_range), PlainSerializer(format_duration)
]
Count = Annotated[int, within(1, 10**9)]
Flag = Annotated[bool, PlainSerializer(int)]
Listed = Annotated[tuple[T, ...], PlainSerializer(_joined)]
Secret = Annotated[SecretStr, PlainSerializer(lambda _: "***")]
StrongSecret = Annotated[Secret, AfterValidator(_strong)]
"""One that signs: short ones are guessed, and well-known ones need not be."""
OrNone = Annotated[T | None, BeforeValidator(_none_if_said), WrapSerializer(_none_is_said)]
"""``none`` is said for no limit: what is silent has the default."""
