"""What instructions take and answer, for the document."""

from adapters.inbound.common.documents.words import (
    BYTES,
    COUNT,
    FLAG,
    FORM,
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
from adapters.inbound.http.files.document import CONTENT, CONTENT_TAKES
from domain.instruction import DetailStatus

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "instructions"
_STATUS = one_of(*(status.value for status in DetailStatus))
_WHO = [
    header("x-user-id", TEXT, "Who calls, in the modes open and gateway."),
    header("x-guest-id", TEXT, "Or who, without an account."),
]
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": 1000})
_CURSOR = query("cursor", TEXT, "What next_cursor told.")
_ONE = path_id()
_DETAIL = path_id("detail_id")


def _enveloped(**data: Schema) -> Schema:
    return an_object(message=TEXT, errors={"type": "null"}, data=an_object(**data))


SCHEMAS = {
    "EnvelopedError": an_object(
        message=TEXT, errors=listed(an_object(code=TEXT, request_id=TEXT)), data={"type": "null"}
    ),
    "Product": an_object(
        id=TEXT,
        key=TEXT,
        name=TEXT,
        is_active=FLAG,
        limits=an_object(max_file_size=COUNT, mime_types=listed(TEXT)),
        parameters=listed(an_object(name=TEXT, type=TEXT)),
    ),
    "Instruction": an_object(
        id=ID,
        user_id=or_null(TEXT),
        guest_id=or_null(TEXT),
        product_id=TEXT,
        product_key=TEXT,
        parameters={"type": "object"},
        status=_STATUS,
        created_at=INSTANT,
        updated_at=INSTANT,
    ),
    "Detail": an_object(
        id=ID,
        instruction_id=ID,
        file_id=or_null(ID),
        file_name=or_null(TEXT),
        file_size=or_null(COUNT),
        mime_type=or_null(TEXT),
        status=_STATUS,
        output_id=or_null(ID),
        error=or_null(TEXT),
        created_at=INSTANT,
        updated_at=INSTANT,
        started_at=or_null(INSTANT),
        finished_at=or_null(INSTANT),
    ),
    "DetailPair": an_object(input=ref("Detail"), output=ref("Detail")),
}

_ERROR = ref("EnvelopedError")

PATHS = {
    "/products": with_head(
        operation(
            "What can be done to pictures",
            {200: answer("Those that are active.", _enveloped(products=listed(ref("Product"))))},
            tag=_TAG,
            refuses=(401, 429),
            refusal=_ERROR,
        )
    ),
    "/instructions": {
        **with_head(
            operation(
                "The caller's instructions",
                {
                    200: answer(
                        "The newest first.",
                        _enveloped(instructions=listed(ref("Instruction")), next_cursor=or_null(TEXT)),
                    )
                },
                tag=_TAG,
                takes=[
                    *_WHO,
                    _LIMIT,
                    _CURSOR,
                    query("status", _STATUS),
                    query("from", TEXT, "A date or a time."),
                    query("to", TEXT, "A date or a time."),
                ],
                refuses=(400, 401, 429),
                refusal=_ERROR,
            )
        ),
        "post": operation(
            "Give an instruction",
            {200: answer("It waits for files.", _enveloped(instruction=ref("Instruction")))},
            tag=_TAG,
            takes=_WHO,
            given=body(an_object({"parameters": {"type": "object"}}, product_id=TEXT)),
            refuses=(400, 401, 404, 413, 429, 503),
            refusal=_ERROR,
        ),
    },
    "/instructions/{id}": with_head(
        operation(
            "An instruction",
            {200: answer("How it is.", _enveloped(instruction=ref("Instruction")))},
            tag=_TAG,
            takes=[*_WHO, _ONE],
            refuses=(400, 401, 403, 404),
            refusal=_ERROR,
        )
    ),
    "/instructions/{id}/details": {
        **with_head(
            operation(
                "Its inputs and outputs",
                {200: answer("Each input, then its output.", _enveloped(details=listed(ref("Detail"))))},
                tag=_TAG,
                takes=[*_WHO, _ONE],
                refuses=(400, 401, 403, 404),
                refusal=_ERROR,
            )
        ),
        "post": operation(
            "Have files worked on",
            {200: answer("Pairs, in the order of the files.", _enveloped(details=listed(ref("DetailPair"))))},
            tag=_TAG,
            takes=[*_WHO, _ONE],
            given=body(an_object({"file": BYTES}), FORM, application_json=an_object(file_id=ID)),
            refuses=(400, 401, 403, 404, 413, 415, 429, 503, 507),
            refusal=_ERROR,
        ),
    },
    "/instructions/{id}/details/{detail_id}": with_head(
        operation(
            "One of these",
            {200: answer("How it is.", _enveloped(detail=ref("Detail")))},
            tag=_TAG,
            takes=[*_WHO, _ONE, _DETAIL],
            refuses=(400, 401, 403, 404),
            refusal=_ERROR,
        )
    ),
    "/instructions/{id}/details/{detail_id}/file": with_head(
        operation(
            "Its file",
            CONTENT,
            tag=_TAG,
            takes=[*_WHO, _ONE, _DETAIL, *CONTENT_TAKES],
            refuses=(400, 401, 403, 404, 410, 412, 416),
            refusal=_ERROR,
        )
    ),
    "/files": with_head(
        operation(
            "Inputs that cleanup will take away",
            {200: answer("For administrators.", _enveloped(files=listed(ref("Detail")), next_cursor=or_null(TEXT)))},
            tag=_TAG,
            takes=[*_WHO, _LIMIT, _CURSOR],
            refuses=(400, 401, 403),
            refusal=_ERROR,
        )
    ),
}
