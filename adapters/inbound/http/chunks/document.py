"""What the chunk API takes and answers, for the document; its forms are the models that read them."""

from typing import Any

from pydantic import BaseModel

from adapters.inbound.common.documents.words import (
    BYTES,
    COUNT,
    FORM,
    TEXT,
    Schema,
    an_object,
    answer,
    body,
    listed,
    one_of,
    operation,
    or_null,
    path_id,
    ref,
    with_head,
)
from adapters.inbound.http.chunks.fields import EXTENSIONS, ChunkFields, CompleteFields, InitFields, RetryFields

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "chunk API"
_UPLOAD = "/api/v1/file/upload"
_URLENCODED = "application/x-www-form-urlencoded"
_FLAT: Schema = {"type": "string", "contentMediaType": "application/json", "description": "A flat JSON object."}


def _form(model: type[BaseModel], **others: Schema) -> Schema:
    """The fields as a form has them: what is a number is written in digits."""
    about = model.model_json_schema()
    fields: dict[str, Schema] = {}
    for name, told in about["properties"].items():
        fields[name] = {key: value for key, value in _plain(told).items() if key in ("type", "minimum", "maxLength")}
    fields.update({name: _FLAT for name in ("credential", "detail") if name in fields})
    if "file_extension" in fields:
        fields["file_extension"] = one_of(*EXTENSIONS)
    required = [*about.get("required", ()), *others]
    return {"type": "object", "properties": {**fields, **others}, "required": required}


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """Of a field that may be missing: what it is where it is not."""
    return next((each for each in told.get("anyOf", ()) if each.get("type") != "null"), told)


def _enveloped(data: Schema) -> Schema:
    return an_object(data=data, message=TEXT, success={"const": True})


_FILE = an_object(
    id=TEXT,
    path=TEXT,
    content_type=TEXT,
    detail=or_null({"type": "object"}),
    credential=or_null({"type": "object"}),
    download_url=TEXT,
)
_TOLD = {200: answer("The file.", _enveloped(ref("ChunkFile")))}
_SHOWN = "A credential is shown as its keys and values in the query."

SCHEMAS = {
    "ChunkFile": _FILE,
    "ChunkError": an_object(errors=listed(TEXT), message=TEXT, success={"const": False}),
}


def _post(
    summary: str, data: dict[int, Schema], form: Schema, refuses: tuple[int, ...], *, needed: bool = True
) -> dict[str, Any]:
    given = body(form, FORM, needed=needed)
    if "file" not in form["properties"]:
        given["content"][_URLENCODED] = {"schema": form}
    return {"post": operation(summary, data, tag=_TAG, given=given, refuses=refuses, refusal=ref("ChunkError"))}


PATHS = {
    f"{_UPLOAD}/init": _post(
        "Begin",
        {200: answer("It has begun.", _enveloped(an_object(chunk_size=COUNT, upload_id=TEXT)))},
        _form(InitFields),
        (400, 401, 403, 413, 422, 429, 503, 507),
        needed=False,
    ),
    f"{_UPLOAD}/chunk": _post(
        "Send a chunk",
        {200: answer("It is stored.", _enveloped(an_object(chunk_index=COUNT, upload_id=TEXT)))},
        _form(ChunkFields, file=BYTES),
        (400, 401, 409, 410, 413, 422, 423, 503, 507),
    ),
    f"{_UPLOAD}/complete": _post("Complete", _TOLD, _form(CompleteFields), (400, 401, 409, 410, 422, 423, 503)),
    f"{_UPLOAD}/retry": _post("Complete what failed", _TOLD, _form(RetryFields), (400, 401, 403, 404, 422, 503)),
    "/api/v1/file/get/{id}": with_head(
        operation(
            "A file",
            _TOLD,
            tag=_TAG,
            text=_SHOWN,
            takes=[path_id()],
            refuses=(401, 403, 404, 410),
            refusal=ref("ChunkError"),
        )
    ),
    "/api/v1/file/status/{id}": with_head(
        operation(
            "How far it is",
            {
                200: answer(
                    "One of four words.",
                    _enveloped(an_object(status=one_of("PENDING", "STARTED", "SUCCESS", "FAILURE"))),
                )
            },
            tag=_TAG,
            text=_SHOWN,
            takes=[path_id()],
            refuses=(401, 403, 404, 410),
            refusal=ref("ChunkError"),
        )
    ),
}
