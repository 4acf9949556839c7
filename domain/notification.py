"""What an owner is told of that was done after the answer: what has become of an instruction's details, of images.

What an answer tells already (an upload has been completed) is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeGuard

from domain.events import Event, ImageEvent, ImageEventType, InstructionEvent
from domain.ids import OwnerId

Notifying = InstructionEvent | ImageEvent


@dataclass(frozen=True, slots=True)
class Notification:
    """``number``: grows in the order of the commits, over all owners."""

    number: int
    event: Notifying


def is_notifying(event: Event) -> TypeGuard[Notifying]:
    return isinstance(event, InstructionEvent) or (
        isinstance(event, ImageEvent) and event.type is not ImageEventType.PROCESSING
    )


def notification_fields(event: Notifying) -> Mapping[str, str]:
    """As its owner is told it; of an instruction's detail the first ones are ``detail_fields``."""
    if isinstance(event, InstructionEvent):
        fields = {**detail_fields(event), "file_name": event.file_name}
    else:
        fields = {
            **_owner_fields(event.owner),
            "image_id": event.upload_id,
            "status": event.status,
            "created_at": _instant(event.time),
            "file_name": event.filename,
        }
    return {**fields, "error": event.error} if event.error else fields


def detail_fields(event: InstructionEvent) -> Mapping[str, str]:
    """As it is told to other services (``notifications.sse``)."""
    return {
        **_owner_fields(event.owner),
        "instruction_id": event.instruction_id,
        "instruction_detail_id": event.detail_id,
        "status": event.status,
        "created_at": _instant(event.time),
    }


def _owner_fields(owner: OwnerId) -> dict[str, str]:
    kind, _, id_ = owner.partition(":")
    return {f"{kind}_id": id_} if kind in ("user", "guest") else {}


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
