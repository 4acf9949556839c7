"""An event as the text of a NOTIFY: compact JSON, below the 8,000 bytes that PostgreSQL allows."""

import json
from dataclasses import dataclass

from domain.events import Event, event_from_values, event_to_values

CHANNEL = "longshore_progress"
_MAX_BYTES = 7_999


@dataclass(frozen=True, slots=True)
class Notice:
    """``origin`` is the sending process. ``event`` is None for a gap: the sender had to leave some out, or it is of a
    version that words them otherwise. Who shows a state then reads it anew."""

    origin: str
    event: Event | None


def encode_event(origin: str, event: Event) -> str:
    """Raises:
    ValueError: it is too long.
    """
    notice = {"o": origin, "event": event_to_values(event)}
    text = json.dumps(notice, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "replace")  # halves of surrogate pairs have no UTF-8
    if len(data) > _MAX_BYTES:
        raise ValueError("the event is too long for a NOTIFY")
    return data.decode()


def encode_gap(origin: str) -> str:
    return json.dumps({"o": origin}, separators=(",", ":"))


def decode(payload: str) -> Notice:
    """Raises:
    ValueError, TypeError, KeyError: not ours, or of a version to come.
    """
    fields = json.loads(payload)
    return Notice(str(fields["o"]), event_from_values(fields["event"]) if "event" in fields else None)
