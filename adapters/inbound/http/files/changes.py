"""What requests that change files say: small bodies of JSON."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from multipart import parse_options_header

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.json_body import check_fields, read_json
from domain.access import Visibility
from domain.errors import FileNotFound, InvalidRequest
from domain.file import FileChange
from domain.ids import FileId, parse_file_id

_PATCHES = ("application/json", "application/merge-patch+json")
_FIELDS = ("name", "visibility", "expires_at")
_MAX_IDS = 1000
MAX_IDS_BYTES = 64 * 1024
_MAX_NAME = 4096
_YES, _NO = ("1", "true", ""), ("0", "false")


async def read_change(exchange: Exchange) -> FileChange:
    """Raises:
    Refusal: 415 no JSON by its type.
    InvalidRequest: naming the field.
    """
    media_type = parse_options_header(exchange.headers.get("Content-Type", ""))[0]
    if media_type not in _PATCHES:
        # RFC 5789 §2.2
        words = f"a change is {_PATCHES[0]}"
        raise Refusal(415, "unsupported_media_type", words, {"Accept-Patch": ", ".join(_PATCHES)})
    told = _object(await read_json(exchange), _FIELDS)
    return FileChange(
        name=_name(told["name"]) if "name" in told else None,
        visibility=_visibility(told["visibility"]) if "visibility" in told else None,
        expires_at=_instant(told.get("expires_at")),
        is_of_expiry="expires_at" in told,
    )


async def read_ids(exchange: Exchange) -> tuple[Mapping[str, FileId | None], bool]:
    """Which files are meant, each once, by what they were called (None: nothing is called so); and ``undo``."""
    told = _object(await read_json(exchange, max_bytes=MAX_IDS_BYTES), ("ids", "undo"))
    ids, undo = parse_ids(told.get("ids")), told.get("undo", False)
    if not isinstance(undo, bool):
        raise InvalidRequest("undo: true or false")
    return ids, undo


def parse_ids(ids: object) -> Mapping[str, FileId | None]:
    """As ``read_ids`` has them."""
    if not isinstance(ids, list) or not all(isinstance(text, str) for text in ids):
        raise InvalidRequest("ids: a list of files' ids")
    if not 1 <= len(ids) <= _MAX_IDS:
        raise InvalidRequest(f"ids: 1 to {_MAX_IDS} at once")
    return {text: _parsed(text) for text in ids}


def parse_undo(shown: Mapping[str, str]) -> bool:
    undo = shown.get("undo", _NO[0])
    if undo not in (*_YES, *_NO):
        raise InvalidRequest("undo: 1 or 0")
    return undo in _YES


def _object(told: object, fields: Collection[str]) -> dict[str, object]:
    if not isinstance(told, dict):
        raise InvalidRequest("a JSON object is needed")
    check_fields(told, fields)
    return told


def _parsed(text: str) -> FileId | None:
    try:
        return parse_file_id(text)
    except FileNotFound:
        return None


def _name(told: object) -> str:
    if not isinstance(told, str) or not told.strip() or len(told) > _MAX_NAME:
        raise InvalidRequest("name: what the file is to be called")
    return told


def _visibility(told: object) -> Visibility:
    try:
        return Visibility(told)  # type: ignore[arg-type]  # it says so of whatever is none
    except ValueError:
        raise InvalidRequest(f"visibility: {' or '.join(Visibility)}") from None


def _instant(told: object) -> datetime | None:
    """UTC, where it names no time zone."""
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(told)  # type: ignore[arg-type]  # TypeError
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise InvalidRequest("expires_at: a time as ISO 8601 has it, or null") from None
