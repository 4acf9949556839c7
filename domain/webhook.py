"""What receivers of webhooks are told, and how it is signed: Standard Webhooks 1.0.0, as docs/webhooks.md has it."""

import base64
import hmac
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from domain.events import (
    Event,
    EventType,
    ImageEvent,
    ImageEventType,
    InstructionEvent,
    InstructionEventType,
    UploadEvent,
)
from domain.ids import JobId
from domain.job import Job
from domain.progress import Standing

DELIVERY = "webhook:"
"""What the kind of a job begins with that delivers something; then comes whom to."""
EVENT_TYPES: tuple[str, ...] = tuple(
    type_.value
    for types in (EventType, ImageEventType, InstructionEventType)
    for type_ in types
    if type_ is not EventType.PROGRESS
)

_SECRET = "whsec_"  # noqa: S105 -- what one begins with
_LEAST_BYTES, _MOST_BYTES = 24, 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one receiver takes deliveries. The URL may be a secret of its own: what is logged names ``host`` alone."""

    url: str = field(repr=False)

    @property
    def kind(self) -> str:
        """Of the jobs that deliver there."""
        return f"{DELIVERY}{sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def host(self) -> str:
        return re.split("[/?]", self.url.partition("://")[2], maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """``reason``: why there was none, in words for an operator; ``status`` is None then."""

    status: int | None
    reason: str = ""
    retry_after_seconds: float = 0


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Who is told what. ``types``: empty for all there are."""

    endpoints: Sequence[Endpoint]
    types: Collection[str] = ()

    def wants(self, event: Event) -> bool:
        return not event.is_passing and (not self.types or event.type in self.types)

    def deliveries(self, event: Event) -> Sequence[Job]:
        """A job for each endpoint, the same ones however often this is asked."""
        if not self.wants(event):
            return ()
        body = body_of(event)
        return [
            Job(
                id=JobId(sha256(f"{endpoint.url} {event.id}".encode()).hexdigest()[:32]),
                kind=endpoint.kind,
                subject=event.id,
                created_at=event.time,
                due_at=event.time,
                payload=body,
            )
            for endpoint in self.endpoints
        ]


def body_of(event: Event) -> str:
    """In ASCII, so that nobody on the way reads it otherwise than it was signed."""
    told = {"type": event.type, "timestamp": _instant(event.time), "data": {"event_id": event.id, **_data(event)}}
    return json.dumps(told, separators=(",", ":"))


def _data(event: Event) -> Mapping[str, str | int | float | None]:
    """What the progress feed tells its owner, by our own ids, and whose it is: no credential, link or token."""
    values = event.to_values()
    match event:
        case UploadEvent():
            return {
                "upload_id": event.upload_id,
                **_watched(event.watch_id, event.upload_id),
                "owner": event.owner,
                "filename": values["filename"],
                "offset": event.offset,
                "length": event.length,
                "percent": Standing.of_event(event).percent,
                "state": event.state,
            }
        case ImageEvent():
            return {
                "image_id": event.upload_id,
                **_watched(event.watch_id, event.upload_id),
                "owner": event.owner,
                "filename": values["filename"],
                "status": event.status,
                **_error(event.error),
            }
        case InstructionEvent():
            return {
                "instruction_id": event.instruction_id,
                "instruction_detail_id": event.detail_id,
                "owner": event.owner,
                "file_name": values["file_name"],
                "status": event.status,
                **_error(event.error),
            }
    return {}


def _watched(watch_id: str, id_: str) -> Mapping[str, str]:
    """The id that its client chose to watch it by, if it chose one."""
    return {"watch_id": watch_id} if watch_id != id_ else {}


def _error(error: str) -> Mapping[str, str]:
    return {"error": error} if error else {}


def parse_secret(text: str) -> bytes:
    """Raises:
    ValueError: not ``whsec_`` and 24 to 64 bytes in base64; what it was is not told.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_SECRET), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(_SECRET) or not _LEAST_BYTES <= len(secret) <= _MOST_BYTES:
        raise ValueError(f"a secret is {_SECRET} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64")
    return secret


def signed_headers(id_: str, body: bytes, secrets: Sequence[bytes], now: datetime) -> Mapping[str, str]:
    """A signature for each secret: one of them may be on its way out."""
    timestamp = str(int(now.timestamp()))
    content = f"{id_}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
