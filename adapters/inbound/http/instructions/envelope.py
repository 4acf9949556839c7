"""How instructions are told of: ``{"message", "errors", "data"}``, successes and refusals alike."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.inbound.common.encoding import format_instant
from adapters.inbound.common.errors import code_of, detail_of, headers_of, status_of
from adapters.inbound.http.engine.exchange import Reply, json_reply
from application.views import DetailView
from domain.errors import Unauthenticated
from domain.instruction import Detail, Instruction
from domain.product import Parameter, Product

_OTHER_FILES = (
    "here administrators (x-user-scope: admin, or a token of that scope) see what cleanup will take away; "
    "one's own files are listed by GET /uploads?state=completed"
)
_NOT_KEPT = {"Cache-Control": "no-store"}


def enveloped(message: str, data: Mapping[str, object]) -> Reply:
    return json_reply({"message": message, "errors": None, "data": data}, headers=_NOT_KEPT)


def enveloped_refusal(error: Exception, request_id: str, hint: str = "") -> Reply:
    """``hint``: what else there is to say, where clients know the message by its letters."""
    if isinstance(error, Unauthenticated) and not error.wants_token:
        hint = "; ".join(filter(None, ("an id is a UUID, or 24 hexadecimal digits", hint)))
    errors = [{"code": code_of(error), "request_id": request_id, **({"hint": hint} if hint else {})}]
    about = {"message": detail_of(error), "errors": errors, "data": None}
    return json_reply(about, status_of(error), {**headers_of(error), **_NOT_KEPT})


def refusal_of_waiting(error: Exception, request_id: str) -> Reply:
    """Whoever asks for ``/files`` mostly means other ones."""
    return enveloped_refusal(error, request_id, _OTHER_FILES if status_of(error) in (401, 403) else "")


def told_instruction(instruction: Instruction) -> dict[str, object]:
    kind, _, name = instruction.owner.partition(":")
    return {
        "id": instruction.id,
        "user_id": name if kind == "user" else None,
        "guest_id": name if kind == "guest" else None,
        "product_id": instruction.product_id,
        "product_key": instruction.recipe.key,
        "parameters": dict(instruction.recipe.parameters),
        "status": instruction.status,
        "created_at": format_instant(instruction.created_at),
        "updated_at": format_instant(instruction.updated_at),
    }


def told_detail(view: DetailView) -> dict[str, object]:
    file = view.file
    return {
        "id": view.id,
        "instruction_id": view.instruction_id,
        "file_id": None if file is None or view.is_cleaned else file.file_id,
        "file_name": file and file.name,
        "file_size": file and file.size,
        "mime_type": file and file.media_type,
        "status": view.status,
        "output_id": view.output_id,
        "error": view.error or None,
        "created_at": format_instant(view.created_at),
        "updated_at": format_instant(view.updated_at),
        "started_at": _instant(view.started_at),
        "finished_at": _instant(view.finished_at),
    }


def told_pairs(details: Sequence[Detail]) -> dict[str, object]:
    """All of them in a list; of one alone, input and output also by themselves."""
    pairs = [dict(zip(("input", "output"), map(told_detail, DetailView.both(each)), strict=True)) for each in details]
    return {"details": pairs, **(pairs[0] if len(pairs) == 1 else {})}


def told_product(product: Product) -> dict[str, object]:
    return {
        "id": product.id,
        "key": product.key,
        "name": product.name,
        "is_active": product.is_active,
        "limits": {
            "max_file_size": product.max_bytes,
            "mime_types": [format_.media_type for format_ in product.formats],
        },
        "parameters": [_told_parameter(parameter) for parameter in product.parameters],
    }


def _told_parameter(parameter: Parameter) -> dict[str, object]:
    told = {
        "name": parameter.name,
        "type": parameter.type,
        "default": parameter.default,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "choices": list(parameter.choices) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else format_instant(moment)
