"""An event as the text of a NOTIFY: compact JSON, below the 8,000 bytes that PostgreSQL allows."""

import json
from dataclasses import dataclass
from datetime import datetime

from domain.events import EventType, UploadEvent
from domain.ids import OwnerId, UploadId

CHANNEL = "longshore_progress"
_MAX_BYTES = 7_900


@dataclass(frozen=True, slots=True)
class Notice:
    """``event`` is None where the sender had to leave some out: a gap. ``origin`` is the sending process."""

    origin: str
    event: UploadEvent | None


def encode_event(origin: str, event: UploadEvent) -> str:
    """Raises:
    ValueError: too long, even without its file name.
    """
    text = _encode(origin, event, event.filename)
    excess = len(text.encode()) - _MAX_BYTES
    if excess > 0:
        # In JSON no character is shorter than in UTF-8, so cutting that much of the name is enough.
        name = event.filename.encode("utf-8", "replace")
        text = _encode(origin, event, name[: max(0, len(name) - excess)].decode("utf-8", "ignore"))
    if len(text.encode()) > _MAX_BYTES:
        raise ValueError("the event is too long for a NOTIFY")
    return text


def encode_gap(origin: str) -> str:
    return json.dumps({"o": origin}, separators=(",", ":"))


def decode(payload: str) -> Notice:
    """Raises:
    ValueError, TypeError, KeyError: not ours, or of a version to come.
    """
    fields = json.loads(payload)
    if "t" not in fields:
        return Notice(str(fields["o"]), None)
    event = UploadEvent(
        type=EventType(fields["t"]),
        time=datetime.fromisoformat(fields["at"]),
        upload_id=UploadId(str(fields["id"])),
        watch_id=str(fields.get("w", fields["id"])),
        owner=OwnerId(str(fields["by"])),
        filename=str(fields["f"]),
        offset=int(fields["n"]),
        length=None if fields["len"] is None else int(fields["len"]),
        state=str(fields["s"]),
    )
    return Notice(str(fields["o"]), event)


def _encode(origin: str, event: UploadEvent, filename: str) -> str:
    fields: dict[str, str | int | None] = {
        "o": origin,
        "t": event.type,
        "at": event.time.isoformat(),
        "id": event.upload_id,
        "by": event.owner,
        "f": filename,
        "n": event.offset,
        "len": event.length,
        "s": event.state,
    }
    if event.watch_id != event.upload_id:
        fields["w"] = event.watch_id
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()  # halves of surrogate pairs have no UTF-8
