"""What /upload takes and answers, for the document."""

from adapters.inbound.common.documents.words import (
    BYTES,
    COUNT,
    FORM,
    ID,
    TEXT,
    UUID,
    an_object,
    answer,
    body,
    header,
    listed,
    one_of,
    operation,
    parameter,
    query,
    ref,
)

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "whole files"
_FILE = an_object(id=ID, name=TEXT, size=COUNT, media_type=TEXT, checksum={}, url=TEXT)

SCHEMAS = {
    "FormFile": _FILE,
    "FormError": an_object(status=one_of("error"), message=TEXT, code=TEXT, request_id=TEXT),
}

PATHS = {
    "/upload": {
        "post": operation(
            "Upload by a form",
            {
                200: answer(
                    "They are stored.",
                    an_object(
                        {"file": ref("FormFile"), "files": listed(ref("FormFile"))},
                        status=one_of("success"),
                        message=TEXT,
                    ),
                )
            },
            tag=_TAG,
            takes=[query("upload_id", UUID, "Under which its progress is shown.")],
            given=body(an_object({"file": BYTES}), FORM),
            refuses=(400, 401, 403, 413, 415, 429, 503, 507),
            refusal=ref("FormError"),
        )
    },
    "/upload/{name}": {
        "put": operation(
            "Upload by a PUT",
            {201: answer("The link to its content, on a line.", TEXT, "text/plain", Location=TEXT)},
            tag=_TAG,
            text="`curl -T file …/upload/`. With `Upload-Complete` it is a resumable upload, as of `POST /uploads`.",
            takes=[
                parameter("path", "name", {"type": "string", "minLength": 1}, "The file's name."),
                header("Content-Digest", TEXT),
                header("Repr-Digest", TEXT),
            ],
            given=body(BYTES, "application/octet-stream"),
            refuses=(400, 401, 403, 411, 413, 415, 429, 503, 507),
        )
    },
}
