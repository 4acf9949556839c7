"""What is wrong with a message, in words for whoever writes a client."""

from collections.abc import Collection

from pydantic import ValidationError

NO_OBJECT = "Messages are JSON objects"


def mistake(error: ValidationError, actions: Collection[str]) -> str:
    """``actions``: what a message may ask for."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind, place, text = first["type"], first["loc"], first["msg"]
    if kind.startswith("union_tag"):
        *others, last = actions
        return f"action has to be {', '.join(others)} or {last}"
    if kind == "value_error":
        return text.removeprefix("Value error, ")
    fields = [str(each) for each in place[1:] if isinstance(each, str)]
    if not fields:
        return NO_OBJECT
    if kind == "missing":
        return f"{fields[-1]} is missing"
    return f"{fields[-1]} is not valid: {text[:1].lower()}{text[1:]}"
