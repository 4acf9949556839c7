"""How the chunk API answers: ``{"data", "message", "success"}``, or ``{"errors", "message", "success"}``.

Words and statuses are those of the service whose clients speak this dialect; what it had no word for has our own.
"""

from collections.abc import Mapping, Sequence

from adapters.inbound.common.errors import Refusal, detail_of, headers_of, status_of
from adapters.inbound.http.engine.exchange import Reply, json_reply
from domain.errors import (
    AccessRefused,
    ChunkSizeChanged,
    ChunkTooLong,
    CompletedOtherwise,
    InconsistentLength,
    InvalidChunk,
    InvalidCredential,
    InvalidDetail,
    InvalidRequest,
    LengthExceeded,
    LongshoreError,
    NotFound,
    Unauthenticated,
    UploadTooLarge,
)

CHUNK_STORED = "The chunk is uploaded successfully!"
FILE_TOO_LONG = "File sile is larger than valid chunk size"  # spelt as it has always been
_JSON = {"Content-Type": "application/json"}  # its clients compare
_NOT_BEGUN = "File directory not found. Please initialize first!"
_NOT_FOUND = "Not found!"
_DENIED = "Permision denied"
_ALREADY_UPLOADED = "File uploaded previously!"
_UNDER_WAY = "File is uploading!"
# Where a completion says what it is that another one said otherwise; without a credential the file is public.
_SAID_IN = {
    "credential": "credential",
    "visibility": "credential",
    "detail": "detail",
    "length": "total_size",
    "name": "file_extension",
    "media type": "content_type",
}


class ChunkRefusal(Refusal):
    """A refusal in this dialect's own words; ``errors`` has a line for each field that is missing or wrong."""

    def __init__(self, status: int, *, errors: Sequence[str] = (), message: str = "") -> None:
        super().__init__(status, "chunk_refused", message or "; ".join(errors))
        self.errors = list(errors)
        self.message = message


def bad_fields(*errors: str) -> ChunkRefusal:
    return ChunkRefusal(422, errors=errors)


def bad_field(name: str, message: str) -> str:
    return f"[body->{name}] {message.lower()}"


def not_begun() -> ChunkRefusal:
    """No upload of that id, or somebody else's."""
    return ChunkRefusal(422, errors=[bad_field("upload_id", _NOT_BEGUN)], message=_NOT_BEGUN)


def chunks_missing(indexes: Sequence[int], *, are_all: bool) -> ChunkRefusal:
    listed = ", ".join(map(str, indexes)) + ("" if are_all else ", …")
    errors = [bad_field("total_chunks", f"chunk {index} is missing") for index in indexes]
    return ChunkRefusal(409, errors=errors, message=f"Chunks are missing: {listed}")


def nothing_to_retry(*, is_complete: bool) -> ChunkRefusal:
    return ChunkRefusal(400, message=_ALREADY_UPLOADED if is_complete else _UNDER_WAY)


def success(data: Mapping[str, object], message: str = "") -> Reply:
    return json_reply({"data": data, "message": message, "success": True}, headers=_JSON)


def chunk_refusal(error: Exception, _: str) -> Reply:
    """The answer to every refusal of this dialect's routes, whoever raised it."""
    status, errors, message = _words(error)
    headers = {**headers_of(error), **_JSON, "Cache-Control": "no-store"}
    return json_reply({"errors": errors, "message": message, "success": False}, status, headers)


def _words(error: Exception) -> tuple[int, list[str], str]:
    match error:
        case ChunkRefusal():
            return error.status, error.errors, error.message
        case NotFound():
            return 404, [], _NOT_FOUND
        case AccessRefused() if not isinstance(error, Unauthenticated):
            return 403, [], _DENIED
        case ChunkSizeChanged() | CompletedOtherwise():
            field = _SAID_IN[error.what] if isinstance(error, CompletedOtherwise) else "chunk_size"
            return 409, [bad_field(field, error.detail)], error.detail
        case LongshoreError() if (name := _field_of(error)) is not None:
            message = FILE_TOO_LONG if isinstance(error, ChunkTooLong) else error.detail
            return 422, [bad_field(name, message)], ""
    return status_of(error), [], detail_of(error)


def _field_of(error: LongshoreError) -> str | None:
    """Which field of the form is wrong, where the core refuses its value."""
    match error:
        case InvalidChunk() | LengthExceeded():
            return "file"
        case UploadTooLarge() | InconsistentLength():
            return "total_size"
        case InvalidCredential():
            return "credential"
        case InvalidDetail():
            return "detail"
        case InvalidRequest():
            return "form"
    return None
