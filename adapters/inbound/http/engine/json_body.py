"""Small bodies of JSON: an id, a few words; whoever needs more than that has it come as a form or an upload."""

import json

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.framing import CutShort

_MAX_BYTES = 16 * 1024


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
