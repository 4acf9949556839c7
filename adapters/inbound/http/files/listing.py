"""What a request for a list of files says: ``GET /uploads?state=completed&…`` (docs/http.md, Lists of files)."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from adapters.inbound.common.encoding import parse_digits
from adapters.inbound.common.errors import Refusal
from application.file import ANY_OWNER
from domain.access import guest, parse_user_id, user
from domain.errors import InvalidCursor, InvalidRequest, Unauthenticated
from domain.file_list import FileOrder, FilePlace, FileSelection
from domain.ids import FileId, OwnerId

_MOST, _USUAL = 1000, 100
_MOST_FIELDS = 100
_MAX_LETTERS = 255
_MAX_CURSOR = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&\-^_.+]+(?:/[a-z0-9!#$&\-^_.+]*)?", re.ASCII)
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Wanted:
    selection: FileSelection
    order: FileOrder
    after: FilePlace | None
    limit: int


def parse_wanted(query: str) -> Wanted:
    """Raises:
    InvalidRequest: a value that can't be one, or a field that comes twice.
    InvalidCursor: none of ours, or one of a list in another order.
    """
    fields = parse_fields(query)
    order = _parse_order(fields.get("sort"))
    return Wanted(
        selection=FileSelection(
            owner=_parse_owner(fields.get("owner")),
            name=_parse_part("name", fields),
            find=_parse_part("find", fields),
            media_type=_parse_media_type(fields.get("media_type", "")),
        ),
        order=order,
        after=_parse_cursor(fields.get("cursor"), order),
        limit=_parse_limit(fields.get("limit")),
    )


def parse_fields(query: str) -> Mapping[str, str]:
    try:
        found = parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal(400, "invalid_request", f"at most {_MOST_FIELDS} fields in a query") from None
    if twice := [name for name, values in found.items() if len(values) > 1]:
        raise InvalidRequest(f"{min(twice)[:_MAX_LETTERS]}: once is enough")
    return {name: values[0] for name, values in found.items()}


def format_cursor(place: FilePlace | None, order: FileOrder) -> str | None:
    """Letters that need no escape in a URL; None: there is nothing more."""
    if place is None:
        return None
    key = (place.key - _EPOCH) // _MICROSECOND if isinstance(place.key, datetime) else place.key
    return urlsafe_b64encode(json.dumps([order, key, place.id]).encode()).decode().rstrip("=")


def format_owner(owner: OwnerId) -> str:
    """As ``owner`` is asked for: a user by their id alone."""
    return owner.removeprefix("user:")


def _parse_cursor(text: str | None, order: FileOrder) -> FilePlace | None:
    if text is None:
        return None
    match _decoded(text):
        case [str(of), str() | int() as key, str(file_id)] if _ID.fullmatch(file_id) and of in set(FileOrder):
            if of != order:
                raise InvalidCursor(f"cursor: of a list that is sorted by {of}")
            if isinstance(key, str) if order.value_name == "name" else type(key) is int and 0 <= key < 1 << 63:
                return FilePlace(_key(key, order), FileId(file_id))
    raise InvalidCursor("cursor: what next_cursor told")


def _decoded(text: str) -> object:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        told: object = json.loads(raw) if len(text) <= _MAX_CURSOR else None
    except (ValueError, RecursionError):
        return None
    return told


def _key(key: str | int, order: FileOrder) -> datetime | str | int:
    if isinstance(key, int) and order.value_name == "created_at":
        return _EPOCH + min(key, _LATEST) * _MICROSECOND
    # Whoever made it up may have put in what no database takes.
    return _UNPRINTED.sub("", key).encode("utf-8", "ignore").decode() if isinstance(key, str) else key


def _parse_order(text: str | None) -> FileOrder:
    try:
        return FileOrder.NEWEST if text is None else FileOrder(text)
    except ValueError:
        raise InvalidRequest("sort: created_at, name or size, each with - for the greatest first") from None


def _parse_limit(text: str | None) -> int:
    limit = _USUAL if text is None else parse_digits(text, "limit")
    if not 1 <= limit <= _MOST:
        raise InvalidRequest(f"limit: 1 to {_MOST}")
    return limit


def _parse_part(field: str, fields: Mapping[str, str]) -> str:
    text = fields.get(field, "")
    if len(text) > _MAX_LETTERS or _UNPRINTED.search(text):
        raise InvalidRequest(f"{field}: at most {_MAX_LETTERS} letters of a name")
    return text


def _parse_media_type(text: str) -> str:
    prefix = text.strip().lower().removesuffix("*")
    if text and (not _MEDIA_TYPE.fullmatch(prefix) or len(prefix) > _MAX_LETTERS):
        raise InvalidRequest("media_type: how a media type begins, such as image/")
    return prefix


def _parse_owner(text: str | None) -> OwnerId | None:
    if text in (None, ANY_OWNER):
        return ANY_OWNER if text else None
    kind, _, name = text.rpartition(":")
    try:
        if kind in ("", "user"):
            return user(parse_user_id(name)).owner
        if kind == "guest":
            return guest(parse_user_id(name)).owner
    except Unauthenticated:
        pass
    raise InvalidRequest("owner: a user's id, guest: and a guest's, or * for everybody's")
