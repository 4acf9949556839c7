"""The fields of the chunk API's forms: their types and bounds, and what is said of a wrong one."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from adapters.inbound.http.chunks.envelope import bad_field, bad_fields

_DIGITS = re.compile(r"[0-9]{1,15}|-0*[1-9][0-9]{0,14}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}(\s*;.{0,128})?", re.ASCII)
_MAX_ID = 1024
_MAX_NUMBER = 10**15 - 1

EXTENSIONS = (
    *("txt", "jpg", "png", "pdf", "mp4", "mp3", "mov", "avi", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "gif"),
    *("bmp", "tiff", "csv", "json", "xml", "html", "zip", "rar", "tar", "gz", "wav", "flac", "ogg", "webm", "mkv"),
    *("heic", "svg", "psd", "ai", "eps", "tif", "tga", "jpeg", "webp", "heif", "avif"),
)


def _whole(text: object) -> object:
    """Digits and nothing else: neither plus signs nor spaces nor underscores, which Python would take.

    What is below zero is a whole number, too: it is told its bound.
    """
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise PydanticCustomError(
            "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
        )
    return text


def _at_most_a_chunk(size: int, info: ValidationInfo) -> int:
    largest = (info.context or {}).get("max_chunk_size", 0)
    if size > largest:
        raise PydanticCustomError("less_than_equal", f"Input should be less than or equal to {largest}")
    return size


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise PydanticCustomError("media_type", "Input should be a media type such as image/png")
    return text


def _extension(text: str) -> str:
    if text not in EXTENSIONS:
        known = ", ".join(f"'{extension}'" for extension in EXTENSIONS[:-1])
        raise PydanticCustomError("enum", f"Input should be {known} or '{EXTENSIONS[-1]}'")
    return text


def _flat(text: object, info: ValidationInfo) -> dict[str, str]:
    """A JSON object without others in it; its values become strings."""
    try:
        values = json.loads(str(text), parse_constant=_refuse)
        if isinstance(values, dict) and not any(isinstance(value, dict | list) for value in values.values()):
            return {key: str(value) for key, value in values.items()}
    except (ValueError, RecursionError):
        pass
    raise PydanticCustomError("value_error", f"Invalid JSON format for {info.field_name}")


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)  # NaN and Infinity are no JSON


Number = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=_MAX_NUMBER)]
FlatJson = Annotated[dict[str, str], BeforeValidator(_flat)]
Id = Annotated[str, Field(max_length=_MAX_ID)]


class InitFields(BaseModel):
    total_size: Number | None = None
    filename: str | None = None


class ChunkFields(BaseModel):
    chunk_size: Annotated[int, BeforeValidator(_whole), Field(ge=1), AfterValidator(_at_most_a_chunk)]
    upload_id: Id
    chunk_index: Number


class CompleteFields(BaseModel):
    upload_id: Id
    total_chunks: Number
    total_size: Number
    file_extension: Annotated[str, AfterValidator(_extension)]
    content_type: Annotated[str, AfterValidator(_media_type)]
    credential: FlatJson | None = None
    detail: FlatJson | None = None


class RetryFields(BaseModel):
    file_id: Id
    credential: FlatJson | None = None


Fields = TypeVar("Fields", bound=BaseModel)


def parse_fields(kind: type[Fields], form: Mapping[str, str], **context: int) -> Fields:
    """An empty field counts as none.

    Raises:
        ChunkRefusal: naming every one that is missing or wrong.
    """
    given = {name: text for name, text in form.items() if text}
    try:
        return kind.model_validate(given, context=context)
    except ValidationError as error:
        raise bad_fields(*(bad_field(str(details["loc"][0]), details["msg"]) for details in error.errors())) from None
