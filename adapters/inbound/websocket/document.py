"""What WebSockets take and tell, for the documents; what is said to them, by the models that read it."""

from typing import Any

from pydantic import BaseModel

from adapters.inbound.common.documents.channels import PROGRESS, Channel
from adapters.inbound.common.documents.words import (
    COUNT,
    TEXT,
    Schema,
    an_object,
    answer,
    listed,
    one_of,
    operation,
    query,
)
from adapters.inbound.websocket.image_messages import Delete, Finish, Upload
from adapters.inbound.websocket.messages import Ping, Subscribe, Unsubscribe

__all__ = ["CHANNELS", "PATHS"]

_TAG = "live"
_TICKET = query("ticket", TEXT, "What POST /tickets gave, where no header can be sent.")


def _said(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _opened(summary: str, *takes: Schema) -> dict[str, Any]:
    answers = {101: answer("A WebSocket: what is said on it is in asyncapi.json.")}
    return {
        "get": operation(summary, answers, tag=_TAG, takes=[*takes, _TICKET], refuses=(400, 401, 403, 426, 429, 503))
    }


PATHS: dict[str, dict[str, Any]] = {
    "/ws/progress": _opened(
        "Progress by a WebSocket", query("upload_id", listed(TEXT)), query("scope", one_of("mine"))
    ),
    "/image/upload": _opened("Pictures by a WebSocket"),
}

CHANNELS = {
    "progress": Channel(
        "/ws/progress",
        "Progress of uploads.",
        {**PROGRESS, "pong": an_object(type=one_of("pong"))},
        {"subscribe": _said(Subscribe), "unsubscribe": _said(Unsubscribe), "ping": _said(Ping)},
        query=("upload_id", "scope", "ticket"),
    ),
    "image_receiver": Channel(
        "/image/upload",
        "Pictures of a browser tab, one after the other. After `ready` their bytes come as binary frames, then the "
        "binary frame `EOF`, or `finish`.",
        {
            "answer": an_object(
                {"progress": COUNT, "file_name": TEXT, "code": TEXT, "file_idx": COUNT},
                status=one_of("ready", "uploading", "success", "abort", "timeout"),
                message=TEXT,
            )
        },
        {"upload": _said(Upload), "delete": _said(Delete), "finish": _said(Finish)},
        query=("ticket",),
    ),
}
