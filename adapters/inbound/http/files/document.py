"""What /files takes and answers, for the document."""

from typing import Any

from adapters.inbound.common.documents.words import (
    ANY,
    BYTES,
    COUNT,
    FLAG,
    ID,
    INSTANT,
    TEXT,
    Schema,
    an_object,
    answer,
    body,
    header,
    listed,
    one_of,
    only,
    operation,
    or_null,
    path_id,
    query,
    ref,
    with_head,
)
from domain.access import MAX_LINK_LIFE, Disposition, Visibility
from domain.image import ImageStatus
from domain.rendition import Box

__all__ = ["CONTENT", "CONTENT_TAKES", "PATHS", "SCHEMAS"]

_TAG = "files"
_SHOWN = [
    query("expires", TEXT, "Of a signed link, with `signature`; a credential is shown as its keys and values."),
    query("signature", TEXT),
]
CONTENT_TAKES = [
    *_SHOWN,
    header("Range", TEXT),
    header("If-None-Match", TEXT),
    header("If-Match", TEXT),
    header("If-Range", TEXT),
    header("Want-Repr-Digest", TEXT),
]
CONTENT = {
    200: answer("The bytes.", BYTES, ANY, ETag=TEXT, Content_Disposition=TEXT, Accept_Ranges=TEXT),
    206: answer("A range of them.", BYTES, ANY, ETag=TEXT, Content_Range=TEXT),
    304: answer("You have them.", ETag=TEXT),
    307: answer("They are in a bucket.", Location=TEXT),
}
"""What every route that gives out a file answers."""

_IMAGE = an_object(
    status=one_of(*(status.value for status in ImageStatus)),
    thumbnails=an_object(**{box.label: or_null(TEXT) for box in Box}),
)

SCHEMAS = {
    "File": an_object(
        id=ID,
        name=TEXT,
        path=or_null(TEXT),
        size=COUNT,
        media_type=TEXT,
        checksum=or_null(TEXT),
        sha256=or_null({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        visibility=one_of(*(each.value for each in Visibility)),
        created_at=INSTANT,
        expires_at=or_null(INSTANT),
        url=TEXT,
    ),
    "ListedFile": {
        "allOf": [ref("File"), an_object({"owner": TEXT}, image=or_null(_IMAGE))],
    },
}

_CHANGE = only(
    an_object(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 4096},
            "visibility": one_of(*(each.value for each in Visibility)),
            "expires_at": or_null(INSTANT),
        }
    )
)
_AS_A_MERGE: dict[str, Any] = {"application_merge-patch+json": _CHANGE}
_IDS = {**listed(TEXT), "minItems": 1, "maxItems": 1000}


def _each(**became: Schema) -> Schema:
    return an_object(files=listed(an_object({"restorable_until": or_null(INSTANT), "code": TEXT}, id=TEXT, **became)))


PATHS = {
    "/files/{id}": {
        **with_head(
            operation(
                "A file",
                {200: answer("What is known of it.", ref("File"))},
                tag=_TAG,
                takes=[path_id(), *_SHOWN],
                refuses=(401, 403, 404, 410),
            )
        ),
        "patch": operation(
            "Change a file",
            {200: answer("What is known of it now.", ref("File"))},
            tag=_TAG,
            takes=[path_id(), header("If-Match", TEXT)],
            given=body(_CHANGE, **_AS_A_MERGE),
            refuses=(400, 401, 403, 404, 409, 410, 412, 413, 415),
        ),
        "delete": operation(
            "Delete a file",
            {204: answer("It is gone.", Restorable_Until=TEXT)},
            tag=_TAG,
            takes=[path_id(), query("undo", one_of("1", "0"), "1: it can be restored for a minute.")],
            refuses=(400, 401, 403, 404, 410, 412, 423),
        ),
    },
    "/files/{id}/restore": {
        "post": operation(
            "Undo a deletion",
            {200: answer("It is back.", ref("File"))},
            tag=_TAG,
            takes=[path_id()],
            refuses=(401, 403, 404, 410),
        )
    },
    "/files/delete": {
        "post": operation(
            "Delete many",
            {200: answer("What became of each.", _each(deleted=FLAG))},
            tag=_TAG,
            given=body(only(an_object({"undo": FLAG}, ids=_IDS))),
            refuses=(400, 401, 413, 415, 429),
        )
    },
    "/files/restore": {
        "post": operation(
            "Undo deletions",
            {200: answer("What became of each.", _each(restored=FLAG))},
            tag=_TAG,
            given=body(only(an_object(ids=_IDS))),
            refuses=(400, 401, 413, 415, 429),
        )
    },
    "/files/archive": {
        "post": operation(
            "Several files, or a folder, in one download",
            {
                201: answer(
                    "Whoever has the link may download them as a ZIP for an hour.",
                    an_object(url=TEXT, expires_at=INSTANT, name=TEXT, files=COUNT, size=COUNT),
                )
            },
            tag=_TAG,
            text="Either the files' ids, or the path of a folder that files were dropped with.",
            given=body({"oneOf": [only(an_object(ids=_IDS)), only(an_object(path=TEXT))]}),
            refuses=(400, 401, 403, 404, 410, 413, 429),
        ),
        **with_head(
            operation(
                "Several files as a ZIP",
                {
                    200: answer("It, as it is put together.", BYTES, "application/zip", ETag=TEXT, Accept_Ranges=TEXT),
                    206: answer("A range of it.", BYTES, "application/zip", ETag=TEXT, Content_Range=TEXT),
                    304: answer("You have it.", ETag=TEXT),
                },
                tag=_TAG,
                takes=[
                    query("link", ID, needed=True),
                    header("Range", TEXT),
                    header("If-Range", TEXT),
                    header("If-None-Match", TEXT),
                    header("If-Match", TEXT),
                ],
                refuses=(410, 412, 416),
                is_public=True,
            )
        ),
    },
    "/files/{id}/content": with_head(
        operation(
            "A file's content",
            CONTENT,
            tag=_TAG,
            takes=[path_id(), *CONTENT_TAKES],
            refuses=(401, 403, 404, 410, 412, 416),
        )
    ),
    "/files/{id}/links": {
        "post": operation(
            "Make a signed link",
            {201: answer("Whoever has it may read the file.", an_object(url=TEXT, expires_at=INSTANT))},
            tag=_TAG,
            takes=[
                path_id(),
                query("seconds", {"type": "integer", "minimum": 1, "maximum": int(MAX_LINK_LIFE.total_seconds())}),
                query("disposition", one_of(*(each.value for each in Disposition))),
            ],
            refuses=(400, 401, 403, 404),
        )
    },
}
