"""What event streams take and tell, for the documents."""

from typing import Any

from adapters.inbound.common.documents.channels import NOTIFICATIONS, PROGRESS, sse_channel
from adapters.inbound.common.documents.words import TEXT, answer, header, listed, one_of, operation, query, with_head

__all__ = ["CHANNELS", "PATHS"]

_TAG = "live"
_STREAM = "text/event-stream"
_TICKET = query("ticket", TEXT, "What POST /tickets gave, where no header can be sent.")

PATHS: dict[str, dict[str, Any]] = {
    "/events": with_head(
        operation(
            "Progress as server-sent events",
            {200: answer("It has no end.", TEXT, _STREAM)},
            tag=_TAG,
            takes=[
                query("upload_id", listed(TEXT)),
                query("scope", one_of("mine")),
                _TICKET,
                header("Last-Event-ID", TEXT),
            ],
            refuses=(400, 401, 429, 503),
        )
    ),
    "/notifications/sse": with_head(
        operation(
            "Notifications as server-sent events",
            {200: answer("It has no end.", TEXT, _STREAM)},
            tag=_TAG,
            takes=[query("last_event_id", TEXT), _TICKET, header("Last-Event-ID", TEXT)],
            refuses=(400, 401, 429, 503),
        )
    ),
}

CHANNELS = {
    "events": sse_channel("/events", "Progress of uploads.", PROGRESS),
    "notifications": sse_channel("/notifications/sse", "What is done after the answer.", NOTIFICATIONS),
}
