"""What /uploads takes and answers, for the document: tus 1.0.0 and IETF resumable uploads."""

from typing import Any

from adapters.inbound.common.documents.words import (
    ANY,
    BYTES,
    COUNT,
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
    operation,
    or_null,
    path_id,
    query,
    ref,
    with_head,
)
from adapters.inbound.common.encoding import TUS_ALGORITHMS
from adapters.inbound.http.uploads.tus import EXTENSIONS, VERSION
from domain.file_list import FileOrder
from domain.upload_state import UploadState

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "uploads"
_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]{1,15}$"}
_VERSION = header("Tus-Resumable", one_of(VERSION), "tus: its version. Without it the request is the IETF's.")
_COMPLETE = header("Upload-Complete", one_of("?0", "?1"), "IETF: whether the body is the last of it.")
_OFFSET = header("Upload-Offset", _NUMBER, "Where the body begins; the upload's offset.", needed=True)
_LENGTH = header("Upload-Length", _NUMBER, "How long the whole is.")
_CHECKSUM = header("Upload-Checksum", TEXT, f"tus: of the body, {', '.join(TUS_ALGORITHMS)}: `sha1 <base64>`.")
_DIGEST = header("Content-Digest", TEXT, "RFC 9530, of the body: `sha-256=:<base64>:`.")
_BODY = body(
    BYTES,
    "application/offset+octet-stream",
    needed=False,
    **{"application_partial-upload": BYTES},
)
_WHERE: dict[str, Any] = {"Upload_Offset": COUNT, "Upload_Expires": TEXT}
_REFUSES = (400, 401, 404, 409, 410, 412, 413, 415, 423, 429, 460, 503, 507)

SCHEMAS = {
    "Upload": an_object(
        id=ID,
        filename=TEXT,
        media_type=TEXT,
        offset=COUNT,
        length=or_null(COUNT),
        metadata={"type": "string", "description": "As Upload-Metadata has it."},
        state=one_of(*(state.value for state in UploadState)),
        created_at=INSTANT,
        expires_at=INSTANT,
        url=TEXT,
    )
}

_CREATE = operation(
    "Begin an upload",
    {
        201: answer(
            "It has begun. A complete one of the IETF's dialect comes with its file as JSON.",
            Location=TEXT,
            Upload_Offset=COUNT,
        ),
    },
    tag=_TAG,
    text=f"tus 1.0.0 ({', '.join(EXTENSIONS)}), or a resumable upload of the IETF's draft. docs/http.md has both.",
    takes=[
        _VERSION,
        _LENGTH,
        header("Upload-Defer-Length", one_of("1"), "tus: the length is told later."),
        header("Upload-Metadata", TEXT, "tus: `filename <base64>,filetype <base64>`; `sha256` of the whole."),
        header("Upload-Concat", TEXT, "tus: `partial`, or `final;` and the URLs of the parts."),
        _CHECKSUM,
        _COMPLETE,
        _DIGEST,
        header("Repr-Digest", TEXT, "IETF: of the whole."),
    ],
    given=body(BYTES, "application/offset+octet-stream", needed=False, **{"application_octet-stream": BYTES}),
    refuses=(400, 401, 403, 409, 412, 413, 415, 429, 460, 503, 507),
)
PATHS = {
    "/uploads": {
        "post": _CREATE,
        **with_head(
            operation(
                "The caller's unfinished uploads, or files",
                {
                    200: answer(
                        "Uploads, the newest first, at most 100; or a page of files.",
                        an_object(
                            {"next_cursor": or_null(TEXT)},
                            uploads=listed({"anyOf": [ref("Upload"), ref("ListedFile")]}),
                        ),
                    )
                },
                tag=_TAG,
                takes=[
                    query("state", one_of("open", "completed")),
                    query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
                    query("cursor", TEXT, "What next_cursor told."),
                    query("name", TEXT, "Part of a file's name."),
                    query("find", TEXT, "Part of a file's name or path."),
                    query("media_type", TEXT, "How it begins, such as image/."),
                    query("sort", one_of(*(order.value for order in FileOrder))),
                    query("owner", TEXT, "For administrators."),
                ],
                refuses=(400, 401, 403, 429),
            )
        ),
        "options": operation(
            "What is understood here",
            {204: answer("In headers.", Tus_Version=TEXT, Tus_Extension=TEXT, Tus_Max_Size=TEXT, Upload_Limit=TEXT)},
            tag=_TAG,
            is_public=True,
        ),
    },
    "/uploads/{id}": {
        "head": operation(
            "How far an upload is",
            {200: answer("tus.", **_WHERE), 204: answer("IETF.", **_WHERE)},
            tag=_TAG,
            takes=[path_id(), _VERSION],
            refuses=(404, 410, 412, 423),
        ),
        "patch": operation(
            "Go on with an upload",
            {204: answer("The bytes are durable.", **_WHERE), 201: answer("IETF: it is complete.", ref("File"))},
            tag=_TAG,
            takes=[path_id(), _OFFSET, _VERSION, _LENGTH, _CHECKSUM, _COMPLETE, _DIGEST],
            given=_BODY,
            refuses=_REFUSES,
        ),
        "delete": operation(
            "Abort an upload, or delete its file",
            {204: answer("It is gone.")},
            tag=_TAG,
            takes=[path_id(), _VERSION],
            refuses=(404, 410, 412, 423),
        ),
        "get": operation(
            "An upload, or the content of its file",
            {
                200: answer("How far it is; once it is complete, the bytes.", ref("Upload")),
                206: answer("A range of them.", BYTES, ANY, Content_Range=TEXT),
                304: answer("You have them."),
                307: answer("They are in a bucket.", Location=TEXT),
            },
            tag=_TAG,
            takes=[path_id(), _VERSION, header("Range", TEXT)],
            refuses=(404, 410, 412, 416),
        ),
        "options": operation(
            "What is understood here", {204: answer("In headers.")}, tag=_TAG, takes=[path_id()], is_public=True
        ),
    },
}
PATHS["/uploads/{id}"]["get"]["responses"]["200"]["content"][ANY] = {"schema": BYTES}
