"""What is for operators and monitors, for the document; and tickets."""

from adapters.inbound.common.documents.words import (
    COUNT,
    FLAG,
    ID,
    INSTANT,
    TEXT,
    an_object,
    answer,
    listed,
    one_of,
    operation,
    or_null,
    path_id,
    ref,
    with_head,
)

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "operations"
_HEALTH = an_object(
    {"full": FLAG},
    status=one_of("healthy", "unhealthy", "draining"),
    services={"type": "object", "additionalProperties": FLAG},
    timestamp=INSTANT,
)

_LIMITS = an_object(open_uploads=or_null(COUNT), files=or_null(COUNT), bytes=or_null(COUNT))

SCHEMAS = {
    "Job": an_object(id=TEXT, kind=TEXT, subject=TEXT, state=TEXT, attempts=COUNT, error=TEXT, created_at=INSTANT),
    "Administration": an_object(
        disks=listed(an_object(name=TEXT, size=COUNT, free=COUNT)),
        usage=an_object(open_uploads=COUNT, files=COUNT, bytes=COUNT),
        quota=_LIMITS,
        jobs={"type": "object", "additionalProperties": COUNT},
        dead_jobs=listed(ref("Job")),
        open_uploads=listed(an_object(id=ID, owner=TEXT, filename=TEXT, offset=COUNT, length=or_null(COUNT))),
    ),
}

PATHS = {
    "/me": with_head(
        operation(
            "Who calls",
            {
                200: answer(
                    "As we understand it.",
                    an_object(
                        auth_mode=one_of("open", "gateway", "jwt"),
                        owner=or_null(TEXT),
                        is_admin=FLAG,
                        max_upload_size=COUNT,
                        version=TEXT,
                    ),
                )
            },
            tag=_TAG,
            refuses=(429,),
        )
    ),
    "/admin": with_head(
        operation(
            "What an administrator looks at",
            {200: answer("Figures.", ref("Administration"))},
            tag=_TAG,
            refuses=(401, 403, 429, 503),
        )
    ),
    "/admin/cleanup": with_head(
        operation(
            "What cleanup would do",
            {200: answer("Nothing is done.", {"type": "object", "additionalProperties": COUNT})},
            tag=_TAG,
            refuses=(401, 403, 429, 503),
        )
    ),
    "/admin/jobs/{id}/retry": {
        "post": operation(
            "Have a dead job done again",
            {200: answer("It waits.", ref("Job"))},
            tag=_TAG,
            takes=[path_id()],
            refuses=(401, 403, 404, 429, 503),
        )
    },
    "/health": with_head(
        operation(
            "Whether the server is well",
            {200: answer("It is.", _HEALTH), 503: answer("Something is away, or it drains.", _HEALTH)},
            tag=_TAG,
            is_public=True,
        )
    ),
    "/metrics": with_head(
        operation(
            "Figures for Prometheus",
            {200: answer("In its text format.", TEXT, "text/plain")},
            tag=_TAG,
            refuses=(401, 403, 429),
        )
    ),
    "/tickets": {
        "post": operation(
            "A ticket, to open a WebSocket or an event stream with",
            {201: answer("It is good once, for 30 seconds.", an_object(ticket=TEXT, expires_at=INSTANT))},
            tag=_TAG,
            refuses=(401, 429, 503),
        )
    },
}
