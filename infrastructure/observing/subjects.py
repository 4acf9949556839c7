"""What is told to others, for the documents: on NATS (the subjects are those of ``adapters/outbound/nats``) and to
webhooks."""

from adapters.inbound.common.documents.channels import INSTRUCTION_DETAIL, Channel
from adapters.inbound.common.documents.words import ID, INSTANT, TEXT, an_object, body, header, one_of
from domain.webhook import EVENT_TYPES

__all__ = ["CHANNELS", "PATHS", "WEBHOOKS"]

PATHS: dict[str, dict[str, dict[str, object]]] = {}

CHANNELS = {
    "nats_notifications": Channel(
        "notifications.sse",
        "Each change of an instruction's detail, for other services. Nothing is kept.",
        {"detail": INSTRUCTION_DETAIL},
        server="nats",
    ),
    "nats_events": Channel(
        "longshore.events",
        "What servers tell one another of uploads, images and instructions; names and owners are in it.",
        {"event": an_object(type=TEXT)},
        server="nats",
    ),
    "nats_jobs": Channel("image.requests", "Ids of jobs, for workers (JetStream).", {"job": ID}, server="nats"),
}

WEBHOOKS = {
    "event": {
        "post": {
            "summary": "What becomes of uploads, images and instructions",
            "description": "Standard Webhooks 1.0.0; at least once, in no particular order. See docs/webhooks.md.",
            "parameters": [
                header("webhook-id", ID, "The event's, and the same whenever it is sent.", needed=True),
                header("webhook-timestamp", TEXT, "When it was sent, in seconds.", needed=True),
                header("webhook-signature", TEXT, "`v1,` and a HMAC; one for each secret.", needed=True),
                header("traceparent", TEXT, "Of the request that caused it, if that had one (W3C Trace Context)."),
            ],
            "requestBody": body(
                an_object(type=one_of(*EVENT_TYPES), timestamp=INSTANT, data=an_object(event_id=ID, owner=TEXT))
            ),
            "responses": {"2XX": {"description": "It is taken; anything else has it sent again."}},
        }
    }
}
