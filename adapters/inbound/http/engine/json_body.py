"""Small bodies of JSON: an id, a few words; whoever needs more than that has it come as a form or an upload."""

import json
from collections.abc import Collection, Mapping

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.framing import CutShort
from domain.errors import InvalidRequest

_MAX_BYTES = 16 * 1024
_MAX_NAME = 255


def check_fields(told: Mapping[str, object], known: Collection[str]) -> None:
    """Of a body of JSON everything counts: a name that is spelt wrong would be a wish that nobody hears.

    Raises:
        InvalidRequest: naming a field that is none of these.
    """
    if strange := sorted(told.keys() - set(known)):
        raise InvalidRequest(f"{strange[0][:_MAX_NAME]}: there is no such field; there are {', '.join(known)}")


async def read_json(exchange: Exchange, *, max_bytes: int = _MAX_BYTES) -> object:
    """What the body says.

    Raises:
        Refusal: 400 it is no JSON; 413 there is too much of it.
        CutShort
    """
    raw = await exchange.body.gather(max_bytes + 1)
    if exchange.body.is_cut:
        raise CutShort
    if len(raw) > max_bytes:
        raise Refusal(413, "too_large", f"a body of JSON has at most {max_bytes} bytes here")
    try:
        told: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_request", "the body is no JSON") from None
    return told
