"""What a server tells live of uploads, by server-sent events; after a cut it is listened to again."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx

from longshore.client.errors import Refused, ServerAway
from longshore.client.server import Server, Waiting


async def watched(server: Server, upload_ids: Sequence[str] = ()) -> AsyncIterator[Mapping[str, Any]]:
    """Events of these uploads, or of all that are the caller's, as the server tells them; without end.

    Raises:
        Refused, ServerAway: it is no use to wait any longer.
    """
    wishes: dict[str, Any] = {"upload_id": list(upload_ids)} if upload_ids else {"scope": "mine"}
    waiting = Waiting(server.patience)
    while True:
        try:
            async with server.stream("GET", server.at("/events"), params=wishes) as response:
                _check_stream(response)
                async for event in _events(response.aiter_lines()):
                    waiting.moved()
                    yield event
        except (Refused, ServerAway) as error:
            await waiting.after(error)


def _check_stream(response: httpx.Response) -> None:
    if "text/event-stream" not in response.headers.get("Content-Type", ""):
        raise Refused(response.status_code, "the server tells no events", code="not_longshore")


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Mapping[str, Any]]:
    """WHATWG HTML §9.2.6, as far as it is used here: each event's data is an object."""
    data: list[str] = []
    async for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            told, data = json.loads("\n".join(data)), []
            if isinstance(told, dict):
                yield told
