"""The words of which operations are told in OpenAPI 3.1; each dialect has a module ``document`` of them by its routes.

These modules are plain tables. Nothing imports them before somebody asks for the document.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.inbound.common.errors import STATUS, title_of

Schema = dict[str, Any]
Operation = dict[str, Any]
Paths = Mapping[str, Mapping[str, Operation]]

TEXT: Schema = {"type": "string"}
BYTES: Schema = {"type": "string", "format": "binary"}
COUNT: Schema = {"type": "integer", "minimum": 0}
INSTANT: Schema = {"type": "string", "format": "date-time"}
UUID: Schema = {"type": "string", "format": "uuid"}
ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
FLAG: Schema = {"type": "boolean"}
EMPTY: Schema = {"type": "string", "maxLength": 0}

JSON = "application/json"
PROBLEM = "application/problem+json"
FORM = "multipart/form-data"
ANY = "*/*"


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def an_object(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """``fields`` are always there. What it may have besides is nobody's promise, so it is not told to be wrong."""
    return {"type": "object", "properties": {**fields, **(optional or {})}, "required": list(fields)}


def only(schema: Schema) -> Schema:
    """Of what is said to us: an object with these fields and no others."""
    return {**schema, "additionalProperties": False}


def parameter(where: str, name: str, schema: Schema, text: str = "", *, needed: bool = False) -> Schema:
    about: Schema = {"in": where, "name": name, "schema": schema, "required": needed or where == "path"}
    return {**about, "description": text} if text else about


def query(name: str, schema: Schema, text: str = "", *, needed: bool = False) -> Schema:
    return parameter("query", name, schema, text, needed=needed)


def header(name: str, schema: Schema, text: str = "", *, needed: bool = False) -> Schema:
    return parameter("header", name, schema, text, needed=needed)


def answer(text: str, schema: Schema | None = None, media_type: str = JSON, **headers: Schema) -> Schema:
    """``headers``: their names with ``_`` for ``-``."""
    about: Schema = {"description": text}
    if schema is not None:
        about["content"] = {media_type: {"schema": schema}}
    if headers:
        about["headers"] = {name.replace("_", "-"): {"schema": kind} for name, kind in headers.items()}
    return about


def body(schema: Schema, media_type: str = JSON, *, needed: bool = True, **others: Schema) -> Schema:
    """``others``: as which media types it may come instead, by their names with ``_`` for ``/``."""
    kinds = {media_type: schema, **{name.replace("_", "/", 1): kind for name, kind in others.items()}}
    return {"required": needed, "content": {name: {"schema": kind} for name, kind in kinds.items()}}


def operation(
    summary: str,
    answers: Mapping[int, Schema],
    *,
    tag: str,
    text: str = "",
    takes: Sequence[Schema] = (),
    given: Schema | None = None,
    refuses: Sequence[int] = (),
    refusal: Schema | None = None,
    is_public: bool = False,
) -> Operation:
    """``refusal``: how the dialect words one; None: problem details alone. Whatever it refuses by itself, a request may
    be refused before the dialect sees it."""
    worded = {PROBLEM: {"schema": ref("Problem")}, **({JSON: {"schema": refusal}} if refusal is not None else {})}
    refused = {str(status): {"description": title_of(status), "content": worded} for status in refuses}
    about: Operation = {"summary": summary, "tags": [tag]}
    if text:
        about["description"] = text
    if takes:
        about["parameters"] = list(takes)
    if given is not None:
        about["requestBody"] = given
    about["responses"] = {
        **{str(status): told for status, told in answers.items()},
        **refused,
        "4XX": {"description": "Refused: see the code.", "content": worded},
        "5XX": {"description": "Not now: see the code.", "content": worded},
    }
    if is_public:
        about["security"] = []
    return about


def with_head(get: Operation) -> dict[str, Operation]:
    """GET, and HEAD as the same without content."""
    head = copy.deepcopy(get)
    head["summary"] = f"{get['summary']} (the head alone)"
    for told in head["responses"].values():
        told.pop("content", None)
    return {"get": get, "head": head}


def path_id(name: str = "id", text: str = "32 hexadecimal digits") -> Schema:
    return parameter("path", name, TEXT, text)


def problem_schema() -> Schema:
    """RFC 9457; ``code`` is one of ours, by the table that gives each its status."""
    known = ", ".join(sorted(STATUS))
    return an_object(
        {
            "expected-offset": COUNT,
            "provided-offset": COUNT,
        },
        type=TEXT,
        title=TEXT,
        status={"type": "integer"},
        detail=TEXT,
        code={"type": "string", "description": f"For programs: {known}, and those of syntax."},
        request_id=TEXT,
    )
