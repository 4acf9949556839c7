"""An event as the text of a NOTIFY: compact JSON, below the 8,000 bytes that PostgreSQL allows."""

import json
from dataclasses import dataclass
from datetime import datetime

from domain.events import EventType, UploadEvent
from domain.ids import OwnerId, UploadId

CHANNEL = "longshore_progress"
_MAX_BYTES = 7_999
_MAX_NAME = 1024
"""Characters, of at most 6 bytes each as JSON has them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """``event`` is None where the sender had to leave some out: a gap. ``origin`` is the sending process."""

    origin: str
    event: UploadEvent | None


def encode_event(origin: str, event: UploadEvent) -> str:
    """Raises:
    ValueError: too long, for all that the file name is cut.
    """
    fields: dict[str, str | int | None] = {
        "o": origin,
        "t": event.type,
        "at": event.time.isoformat(),
        "id": event.upload_id,
        "by": event.owner,
        "f": event.filename[:_MAX_NAME],
        "n": event.offset,
        "len": event.length,
        "s": event.state,
    }
    if event.watch_id != event.upload_id:
        fields["w"] = event.watch_id
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
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
