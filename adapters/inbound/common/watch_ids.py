"""Ids as those who watch write them: a UUID is the same in any case (RFC 9562 §4), and told as its reader wrote it."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qs

from adapters.inbound.common.errors import Refusal
from application.progress.messages import ProgressMessage

_MOST = 1000  # nobody may watch more at once
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_TOLD = re.compile(rb'(?<="upload_id":")[^"]*')


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def folded(watch_id: str) -> str:
    """The one spelling that is kept and compared."""
    return watch_id.lower() if is_uuid(watch_id) else watch_id


def parse_watch_id(query: str) -> str:
    """What the progress of a body is to be shown under; empty where its client did not choose anything."""
    given = parse_qs(query).get("upload_id", [""])[-1]
    if given and not is_uuid(given):
        raise Refusal(400, "invalid_request", "upload_id is not a UUID")
    return folded(given)


class Spellings(dict[str, str]):
    """How one reader wrote the ids that it watches; only of those that are kept otherwise."""

    __slots__ = ()

    def fold(self, watch_ids: Iterable[str]) -> list[str]:
        known = {watch_id: folded(watch_id) for watch_id in watch_ids}
        self.update({kept: given for given, kept in known.items() if kept != given})
        while len(self) > _MOST:
            del self[next(iter(self))]
        return list(known.values())

    def restore(self, message: ProgressMessage) -> ProgressMessage:
        found = _TOLD.search(message.body) if self else None
        given = self.get(found[0].decode(errors="replace")) if found else None
        if found is None or given is None:
            return message
        body = message.body[: found.start()] + given.encode() + message.body[found.end() :]
        return ProgressMessage(key=message.key, type_=message.type, sequence=message.sequence, body=body)
