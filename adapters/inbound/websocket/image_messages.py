"""What is said on ``/image/upload``, both ways (docs/images.md, The image receiver)."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from adapters.inbound.websocket.mistakes import NO_OBJECT, mistake
from domain.errors import InvalidRequest, LongshoreError
from domain.received_image import MAX_INDEX

END = b"EOF"
"""The binary message that ends a file whose size was not told."""


class Text(StrEnum):
    """What clients know each answer by."""

    READY = "Ready to upload"
    UPLOADING = "Uploading..."
    UPLOADED = "Upload successful"
    DELETED = "File deleted"
    TIMED_OUT = "Connection timed out"


class _OfSession(BaseModel):
    user_id: StrictStr
    session_id: StrictStr


class Upload(_OfSession):
    action: Literal["upload"]
    file_idx: Annotated[StrictInt, Field(ge=0, le=MAX_INDEX)]
    file_name: StrictStr
    file_size: Annotated[StrictInt, Field(ge=0)] | None = None


class Delete(_OfSession):
    action: Literal["delete"]
    file_name: StrictStr


class Finish(BaseModel):
    action: Literal["finish"]


Message = Upload | Delete | Finish

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="action")])

# By the refusal's code. Whatever is not here is told by its own detail.
_TEXTS = {
    "invalid_picture": "Invalid file format",
    "upload_too_large": "File size exceeded",
    "length_exceeded": "File size exceeded",
    "duplicate_picture": "Duplicate file detected",
    "too_many_images": "Upload limit exceeded",
    "picture_corrupted": "File is corrupted",
    "too_many_pixels": "Too many pixels",
    "image_not_found": "No such file",
    "storage_full": "Storage is full",
    "file_too_large_for_disk": "Storage is full",
    "storage_unavailable": "Storage is away, try again later",
    "repository_unavailable": "The database is away, try again later",
    "processor_unavailable": "The image could not be checked, try again",
    "quota_exceeded": "Quota exceeded",
    "too_many_files": "Too many files",
}


def parse_message(text: str) -> Message:
    """Raises:
    InvalidRequest: not JSON, or not one of the messages; its detail says which field is wrong.
    """
    try:
        told: object = json.loads(text, object_pairs_hook=_whole)
        return _MESSAGES.validate_python(told)
    except ValidationError as error:
        raise InvalidRequest(mistake(error, ("upload", "finish", "delete"))) from error
    except (ValueError, RecursionError):
        raise InvalidRequest(NO_OBJECT) from None


def answer_text(status: str, message: str, **more: str | int) -> bytes:
    return json.dumps({"status": status, "message": message, **more}, separators=(",", ":")).encode()


def abort_text(error: LongshoreError, index: int | None) -> bytes:
    """``index``: of the picture that this is the end of, if of any."""
    which = {} if index is None else {"file_idx": index}
    text = _TEXTS.get(error.code) or error.detail or "Something went wrong"
    return answer_text("abort", text, code=error.code, **which)


def _whole(fields: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Names of Windows may hold halves of characters, which JSON can say and UTF-8 can't: no reason to send a picture
    away, a name is only shown."""
    return {
        name: value.encode("utf-8", "ignore").decode() if isinstance(value, str) else value for name, value in fields
    }
