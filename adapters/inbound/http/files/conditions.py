"""Conditional requests, ranges and digests of what never changes: RFC 9110 §13 and §14, RFC 9530."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.files.ranges import parse_range
from application.download import DownloadUseCase
from domain.byte_range import ByteRange
from domain.file import File
from domain.ids import FileId

# RFC 9530 §4: a preference of 1 to 10; 0 is a no. It may be ignored, and so is what does not read so.
_WANTS_SHA256 = re.compile(r"(?:^|,)[ \t]*sha-256=0*(?:[1-9]|10)[ \t]*(?:$|,)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """Of what is sent: it has these bytes as long as it has this ETag. ``modified``: None, where no date tells."""

    etag: str
    size: int
    modified: datetime | None = None

    @classmethod
    def of(cls, file: File) -> "Version":
        """A file's bytes never change, so its id names them."""
        return cls(f'"{file.id}"', file.size, file.created_at.astimezone(UTC).replace(microsecond=0))

    @property
    def validators(self) -> dict[str, str]:
        dated = {} if self.modified is None else {"Last-Modified": format_datetime(self.modified, usegmt=True)}
        return {"ETag": self.etag, **dated}


async def wanted_digest(exchange: Exchange, downloads: DownloadUseCase, file_id: FileId) -> dict[str, str]:
    """The digest of a file that has just come in, as a header, if its client wants it."""
    if not wants_sha256(exchange.headers):
        return {}
    file = await downloads.digested(await downloads.describe(exchange.principal, file_id))
    return {} if file.sha256 is None else {"Repr-Digest": repr_digest(file.sha256)}


def repr_digest(sha256: bytes) -> str:
    """RFC 9530 §3."""
    return f"sha-256=:{b64encode(sha256).decode()}:"


def wants_sha256(headers: Mapping[str, str]) -> bool:
    return bool(_WANTS_SHA256.search(headers.get("Want-Repr-Digest", "")))


def wanted(exchange: Exchange, of: Version) -> tuple[ByteRange | None, int]:
    """Which bytes are to be sent, if any, and the status: 200, 206 or 304.

    Raises:
        Refusal: 412 or 416.
    """
    # RFC 9110 §13.2.2 has the order: If-Match, else If-Unmodified-Since; If-None-Match, else If-Modified-Since; ranges.
    if not _is_meant(exchange, of):
        raise Refusal(412, "precondition_failed", "it is not the one named")
    if _is_known(exchange, of):
        return None, 304
    part, status = _part(exchange, of)
    if status == 416:
        raise Refusal(416, "range_not_satisfiable", "no such bytes", {"Content-Range": f"bytes */{of.size}"})
    return part, status


def _is_meant(exchange: Exchange, of: Version) -> bool:
    if (match := exchange.headers.get("If-Match")) is not None:
        return _lists(match, of.etag, weak=False)
    date = _parse_date(exchange.headers.get("If-Unmodified-Since"))
    return date is None or of.modified is None or of.modified <= date


def _is_known(exchange: Exchange, of: Version) -> bool:
    if (match := exchange.headers.get("If-None-Match")) is not None:
        return _lists(match, of.etag, weak=True)
    date = _parse_date(exchange.headers.get("If-Modified-Since"))
    return date is not None and of.modified is not None and of.modified <= date


def _part(exchange: Exchange, of: Version) -> tuple[ByteRange | None, int]:
    """RFC 9110 §14.2: only GET has ranges; §13.1.5: If-Range must match strongly."""
    whole = ByteRange(0, of.size) if of.size else None
    field = exchange.headers.get("Range")
    if field is None or exchange.method != "GET":
        return whole, 200
    condition = exchange.headers.get("If-Range")
    if condition is not None and condition.strip() != of.etag:
        date = _parse_date(condition)
        if date is None or date != of.modified:
            return whole, 200
    return parse_range(field, of.size)


def check_record(exchange: Exchange, file: File) -> None:
    """Whether what is to be changed, or deleted, is as the caller has seen it; if they say that it has to be.

    Raises:
        Refusal: 412.
    """
    match = exchange.headers.get("If-Match")
    if match is not None and not _lists(match, record_etag(file), weak=False):
        raise Refusal(412, "precondition_failed", "the file was changed since: look at it again")


def record_etag(file: File) -> str:
    """Of what its owner can change; not of its bytes, which stay the same, nor of what is found out about these."""
    told = (file.id, file.name, file.path, file.visibility, file.expires_at and file.expires_at.isoformat())
    return f'"{sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def _lists(field: str, etag: str, *, weak: bool) -> bool:
    """RFC 9110 §8.8.3.2: whether an entity tag is among those of the field, or it takes any."""
    if field.strip() == "*":
        return True
    tags = [tag.strip() for tag in field.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return etag in tags


def _parse_date(field: str | None) -> datetime | None:
    """An HTTP date; None without one, or for what is none (RFC 9110: such a field is ignored)."""
    if field is None:
        return None
    try:
        parsed = parsedate_to_datetime(field)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
