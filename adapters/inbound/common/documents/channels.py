"""The words of which channels are told in AsyncAPI 3.0: WebSockets, event streams, subjects of NATS.

What is told on several of them (progress, notifications) is described here, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.inbound.common.documents.words import COUNT, ID, INSTANT, TEXT, Schema, an_object, one_of, or_null
from domain.events import EventType, ImageEventType, InstructionEventType
from domain.image import ImageStatus
from domain.instruction import DetailStatus
from domain.upload_state import UploadState

Messages = Mapping[str, Schema]
"""What is said, by its name; a message is JSON."""


@dataclass(frozen=True, slots=True)
class Channel:
    address: str
    text: str
    told: Messages
    """By the server."""
    said: Messages = field(default_factory=dict)
    """To it."""
    server: str = "http"
    query: Sequence[str] = ()


_NUMBER: Schema = {"type": "number"}
_IMAGE = an_object({"error": TEXT}, image_id=ID, status=one_of(*(status.value for status in ImageStatus)))

_OWNED: dict[str, Schema] = {"user_id": TEXT, "guest_id": TEXT}


def _a_detail(**more: Schema) -> Schema:
    return an_object(
        {**_OWNED, "file_name": TEXT, "error": TEXT},
        instruction_id=ID,
        instruction_detail_id=ID,
        status=one_of(*(status.value for status in DetailStatus)),
        created_at=INSTANT,
        **more,
    )


PROGRESS: Messages = {
    "progress": an_object(
        {"event_id": ID, "image": _IMAGE},
        type=one_of("upload.snapshot", *(type_.value for type_ in EventType)),
        sequence=COUNT,
        time=INSTANT,
        upload_id=TEXT,
        filename=TEXT,
        offset=COUNT,
        length=or_null(COUNT),
        percent=or_null(_NUMBER),
        bytes_per_second=_NUMBER,
        eta_seconds=or_null(_NUMBER),
        state=one_of(*(state.value for state in UploadState)),
    ),
    "image": an_object(
        {"error": TEXT},
        type=one_of(*(type_.value for type_ in ImageEventType)),
        sequence=COUNT,
        time=INSTANT,
        upload_id=TEXT,
        filename=TEXT,
        image_id=ID,
        status=one_of(*(status.value for status in ImageStatus)),
        event_id=ID,
    ),
    InstructionEventType.DETAIL.value: _a_detail(
        type=one_of(InstructionEventType.DETAIL.value), sequence=COUNT, time=INSTANT, event_id=ID
    ),
    "error": an_object({"upload_id": TEXT, "detail": TEXT}, type=one_of("error"), code=TEXT),
}

INSTRUCTION_DETAIL = _a_detail()
NOTIFICATIONS: Messages = {
    InstructionEventType.DETAIL.value: INSTRUCTION_DETAIL,
    "image": an_object(
        {**_OWNED, "error": TEXT},
        image_id=ID,
        status=one_of(*(status.value for status in ImageStatus)),
        created_at=INSTANT,
        file_name=TEXT,
    ),
}


def sse_channel(address: str, text: str, told: Messages) -> Channel:
    """``event`` is a message's type, ``data`` the message."""
    return Channel(address, text, told)


def asyncapi_of(channels: Mapping[str, Channel], *, version: str, host: str) -> dict[str, Any]:
    """The document, of an application that tells and is told."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Longshore",
            "version": version,
            "description": "What the server tells by itself, and is told on sockets. Routes are in openapi.json.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "http": {"host": host, "protocol": "ws", "description": "WebSockets; event streams are plain HTTP."},
            "nats": {"host": "nats:4222", "protocol": "nats", "description": "Where EVENTS_URL or JOBS_URL names one."},
        },
        "channels": {name: _told_channel(channel) for name, channel in channels.items()},
        "operations": {
            f"{action}_{name}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{message}"} for message in messages],
            }
            for name, channel in channels.items()
            for action, messages in (("send", channel.told), ("receive", channel.said))
            if messages
        },
    }


def _told_channel(channel: Channel) -> dict[str, Any]:
    messages = {**channel.told, **channel.said}
    about: dict[str, Any] = {
        "address": channel.address,
        "description": channel.text,
        "servers": [{"$ref": f"#/servers/{channel.server}"}],
        "messages": {name: {"name": name, "payload": schema} for name, schema in messages.items()},
    }
    if channel.query:
        asked = {"type": "object", "properties": dict.fromkeys(channel.query, TEXT)}
        about["bindings"] = {"ws": {"query": asked}}
    return about
