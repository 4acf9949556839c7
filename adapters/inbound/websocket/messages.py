"""What clients may say on ``/ws/progress``, and the answers that are no progress (docs/http.md, Progress)."""

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from adapters.inbound.common.errors import detail_of
from adapters.inbound.websocket.mistakes import mistake
from domain.errors import InvalidRequest, LongshoreError

WatchId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Subscription(BaseModel):
    upload_ids: list[WatchId] = []
    scope: Literal["mine"] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.upload_ids and self.scope is None:
            raise ValueError("upload_ids or scope is needed")
        return self


class Subscribe(Subscription):
    action: Literal["subscribe"]


class Unsubscribe(Subscription):
    action: Literal["unsubscribe"]


class Ping(BaseModel):
    action: Literal["ping"]


Message = Subscribe | Unsubscribe | Ping

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="action")])

PONG = json.dumps({"type": "pong"}, separators=(",", ":")).encode()


def parse_message(text: str | bytes) -> Message:
    """Raises:
    InvalidRequest: binary, not JSON, or not one of the messages; its detail says what is wrong.
    """
    if isinstance(text, bytes):
        raise InvalidRequest("Messages are text")
    try:
        return _MESSAGES.validate_json(text)
    except ValidationError as error:
        raise InvalidRequest(mistake(error, ("subscribe", "unsubscribe", "ping"))) from error


def error_text(error: LongshoreError) -> bytes:
    about = {"type": "error", "code": error.code, "detail": detail_of(error)}
    return json.dumps(about, separators=(",", ":")).encode()
