"""What requests for instructions say: ids, the fields of a query, small bodies of JSON."""

import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl

from adapters.inbound.common.encoding import parse_digits
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.json_body import read_json
from domain.errors import InvalidRequest, NotFound
from domain.ids import DetailId, FileId, InstructionId, parse_detail_id, parse_file_id, parse_instruction_id
from domain.instruction import DetailStatus, Selection

_MOST, _USUAL = 1000, 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})", re.ASCII)


def parse_instruction(text: str) -> InstructionId:
    """Raises:
    Refusal: 400, for here an id that can't be one is told apart from one that is not known.
    """
    try:
        return parse_instruction_id(_plain(text))
    except NotFound:
        raise _invalid_id() from None


def parse_detail(text: str) -> DetailId:
    """As ``parse_instruction``."""
    try:
        return parse_detail_id(_plain(text))
    except NotFound:
        raise _invalid_id() from None


async def read_object(exchange: Exchange) -> dict[str, object]:
    """The body, a JSON object."""
    try:
        told = await read_json(exchange)
    except Refusal as refusal:
        raise invalid_body() if refusal.status == 400 else refusal from None
    if not isinstance(told, dict):
        raise invalid_body()
    return told


def parse_product(told: dict[str, object]) -> str:
    product = told.get("product_id")
    if product in (None, ""):
        raise Refusal(400, "invalid_request", "ProductID is required")
    if not isinstance(product, str):
        raise invalid_body()
    return product


def parse_attached(told: dict[str, object]) -> FileId:
    file_id = told.get("file_id")
    if not isinstance(file_id, str):
        raise invalid_body()
    return parse_file_id(file_id)


def query_of(exchange: Exchange) -> dict[str, str]:
    return dict(parse_qsl(exchange.request.query, keep_blank_values=True))


def parse_limit(query: dict[str, str]) -> int:
    if (text := query.get("limit")) is None:
        return _USUAL
    limit = parse_digits(text, "limit")
    if not 1 <= limit <= _MOST:
        raise InvalidRequest(f"limit: 1 to {_MOST}")
    return limit


def parse_selection(query: dict[str, str]) -> Selection:
    return Selection(
        status=_parse_status(query.get("status")),
        since=_parse_instant(query.get("from"), "from"),
        until=_parse_instant(query.get("to"), "to", is_end=True),
    )


def format_cursor(place: tuple[datetime, str] | None) -> str | None:
    return None if place is None else f"{(place[0] - _EPOCH) // _MICROSECOND}-{place[1]}"


def parse_cursor(query: dict[str, str]) -> tuple[datetime, str] | None:
    if (text := query.get("cursor")) is None:
        return None
    if not (found := _CURSOR.fullmatch(text)):
        raise InvalidRequest("cursor: what next_cursor told")
    return _EPOCH + int(found[1]) * _MICROSECOND, found[2]


def _parse_status(text: str | None) -> DetailStatus | None:
    try:
        return None if text is None else DetailStatus(text.upper())
    except ValueError:
        raise InvalidRequest(f"status: {', '.join(DetailStatus)}") from None


def _parse_instant(text: str | None, what: str, *, is_end: bool = False) -> datetime | None:
    """ISO 8601; UTC, where it names no time zone. Of a date, which is a whole day, ``is_end`` wants the last moment."""
    if text is None:
        return None
    try:
        if "T" in text:
            text = text.replace(" ", "+")  # as a query spells it that was not encoded
        moment = datetime.fromisoformat(text)
        if is_end and _is_date(text):
            moment += timedelta(days=1) - _MICROSECOND
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{what}: a date or a time as ISO 8601 has it") from None


def _is_date(text: str) -> bool:
    """In any of the ways that ISO 8601 has for one."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def invalid_body() -> Refusal:
    return Refusal(400, "invalid_request", "invalid request body")


def _plain(text: str) -> str:
    """A UUID with its hyphens is one without them: what this service's clients take for an id is none that can't be."""
    return text.replace("-", "") if _UUID.fullmatch(text) else text


def _invalid_id() -> Refusal:
    return Refusal(400, "invalid_id", "invalid id")
