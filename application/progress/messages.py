"""What a watcher is told, put into bytes once however many watch."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from domain.events import EventType, InstructionEvent
from domain.notification import notification_fields
from domain.progress import ImageStanding, Standing

SNAPSHOT = "upload.snapshot"
ERROR = "error"

_PASSING = (SNAPSHOT, EventType.PROGRESS)

JsonValue = str | int | float | None | Mapping[str, str]
Encode = Callable[[Mapping[str, JsonValue]], bytes]


def encode_json(fields: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class ProgressMessage:
    """One message for any number of watchers.

    Of the messages with one ``key`` that a reader was too slow for, only the newest matters to it. Snapshot,
    progress and each change of state have keys of their own: a slow reader misses none of the changes.
    """

    __slots__ = ("_forms", "body", "key", "sequence", "type")

    def __init__(self, *, key: str, type_: str, sequence: int | None, body: bytes) -> None:
        self.key = key
        self.type = type_
        self.sequence = sequence
        self.body = body
        self._forms: dict[Callable[[ProgressMessage], bytes], bytes] = {}

    def rendered(self, form: Callable[["ProgressMessage"], bytes]) -> bytes:
        """What ``form`` makes of this message, made once: a WebSocket frame, a piece of an event stream."""
        made = self._forms.get(form)
        if made is None:
            made = self._forms[form] = form(self)
        return made


class Subscriber(Protocol):
    """Whoever is told: a WebSocket, an event stream. Compared by identity."""

    def offer(self, message: ProgressMessage) -> None:
        """Pass ``message`` on, or keep it while it is the newest of its key; never waits or raises."""

    def offer_all(self, messages: Sequence[ProgressMessage]) -> None:
        """The same for several at once."""
        for message in messages:
            self.offer(message)

    async def ready(self) -> None:
        """Return once nothing waits for the reader any more, or once it is gone."""


def progress_message(
    encode: Encode,
    standing: Standing,
    *,
    watch_id: str,
    type_: str,
    sequence: int,
    bytes_per_second: int,
    image: ImageStanding | None = None,
) -> ProgressMessage:
    # The fields and their order are those of docs/http.md, Progress.
    fields: dict[str, JsonValue] = {
        "type": type_,
        "sequence": sequence,
        "time": _instant(standing.time),
        "upload_id": watch_id,
        "filename": standing.filename,
        "offset": standing.offset,
        "length": standing.length,
        "percent": standing.percent,
        "bytes_per_second": bytes_per_second,
        "eta_seconds": standing.eta_seconds(bytes_per_second),
        "state": standing.state,
    }
    if type_ not in _PASSING:
        fields["event_id"] = standing.event_id
    if image is not None:
        fields["image"] = _image_fields(image)
    return ProgressMessage(key=f"{type_} {standing.upload_id}", type_=type_, sequence=sequence, body=encode(fields))


def image_message(encode: Encode, image: ImageStanding, *, watch_id: str, sequence: int) -> ProgressMessage:
    about: dict[str, JsonValue] = {
        "type": image.type,
        "sequence": sequence,
        "time": _instant(image.time),
        "upload_id": watch_id,
        "filename": image.filename,
        **_image_fields(image),
        "event_id": image.event_id,
    }
    return ProgressMessage(
        key=f"{image.type} {image.upload_id}", type_=image.type, sequence=sequence, body=encode(about)
    )


def instruction_message(encode: Encode, event: InstructionEvent, *, sequence: int) -> ProgressMessage:
    """What its owner is notified of, among what they watch."""
    about: dict[str, JsonValue] = {
        "type": event.type,
        "sequence": sequence,
        "time": _instant(event.time),
        **notification_fields(event),
        "event_id": event.id,
    }
    key = f"{event.type} {event.detail_id} {event.status}"
    return ProgressMessage(key=key, type_=event.type, sequence=sequence, body=encode(about))


def not_found_message(encode: Encode, watch_id: str) -> ProgressMessage:
    """Unknown and someone else's: the same words."""
    body = encode({"type": ERROR, "code": "not_found", "upload_id": watch_id})
    return ProgressMessage(key=f"{ERROR} {watch_id}", type_=ERROR, sequence=None, body=body)


def _image_fields(image: ImageStanding) -> dict[str, str]:
    return {"image_id": image.upload_id, "status": image.status, **({"error": image.error} if image.error else {})}


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
