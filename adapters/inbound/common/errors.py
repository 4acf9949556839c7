"""What a refusal looks like to the outside: the one table of statuses, and RFC 9457 problem details."""

import errno
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from adapters.inbound.common.rate_headers import rate_headers
from domain.errors import InvalidToken, LongshoreError, OffsetMismatch, TooManyRequests, Unauthenticated, Unavailable

STATUS: dict[str, int] = {
    "internal_error": 500,
    "job_failed": 500,
    # The caller's values break a rule.
    "invalid_request": 400,
    "invalid_byte_range": 400,
    "invalid_metadata": 400,
    "invalid_checksum": 400,
    "unknown_checksum_algorithm": 400,
    "invalid_parts": 400,
    "too_many_parts": 400,
    "invalid_credential": 400,
    "invalid_detail": 400,
    "invalid_cursor": 400,
    "invalid_chunk": 400,
    "chunk_too_long": 400,
    "inconsistent_length": 400,
    "invalid_picture": 400,
    "picture_corrupted": 400,
    "duplicate_picture": 400,
    # Unknown, or someone else's.
    "not_found": 404,
    "upload_not_found": 404,
    "file_not_found": 404,
    "image_not_found": 404,
    "thumbnail_not_found": 404,
    "job_not_found": 404,
    "product_not_found": 404,
    "instruction_not_found": 404,
    "detail_not_found": 404,
    # It was here once.
    "gone": 410,
    "upload_gone": 410,
    "upload_expired": 410,
    "file_gone": 410,
    "file_expired": 410,
    "link_expired": 410,
    # Right request, wrong moment. tus clients retry 409 and 423, and these can all succeed after a new HEAD.
    "conflict": 409,
    "offset_mismatch": 409,
    "bytes_missing": 409,
    "chunk_differs": 409,
    "chunk_size_changed": 409,
    "upload_not_open": 409,
    "upload_taken_over": 409,
    "job_taken_over": 409,
    "completed_otherwise": 409,
    "upload_completed": 400,  # IETF resumable uploads, interop version 6: appending to a completed upload
    "upload_busy": 423,
    "upload_is_final": 403,  # tus 1.0 §Concatenation: PATCH against a final upload
    "too_large": 413,
    "upload_too_large": 413,
    "length_exceeded": 413,
    "too_many_pixels": 413,
    "checksum_mismatch": 460,  # tus 1.0 §Checksum
    "sha256_mismatch": 460,
    "access_refused": 403,
    "unauthenticated": 401,
    "invalid_token": 401,
    "forbidden": 403,
    "credential_refused": 403,
    "link_altered": 403,
    "budget_exceeded": 429,
    "too_many_open_uploads": 429,
    "too_many_requests": 429,
    "too_many_connections": 429,
    "too_many_streams": 429,
    "too_many_watched": 400,  # to wait and ask for as many again would not help
    # Not 507, which clients take for our full disk and try again, and not 429, which promises that waiting
    # helps: this upload is too large for what its owner has left.
    "quota_exceeded": 413,
    "too_many_images": 403,  # as too_many_files
    "too_many_details": 403,
    "too_many_files": 403,  # however small the next one is; and again, waiting does not help
    # Try again later.
    "unavailable": 503,
    "storage_full": 507,
    "file_too_large_for_disk": 507,
    "storage_unavailable": 503,
    "repository_unavailable": 503,
    "processor_unavailable": 503,
    "processor_busy": 503,
}

# Registered problem types (RFC 9457 §4.2) and their titles, by code; all others are about:blank.
# draft-ietf-httpbis-resumable-upload and draft-ietf-httpapi-digest-fields-problem-types
_REGISTRY = "https://iana.org/assignments/http-problem-types"
_TYPES = {
    "offset_mismatch": (f"{_REGISTRY}#mismatching-upload-offset", "Mismatching Upload Offset"),
    "upload_completed": (f"{_REGISTRY}#completed-upload", "Completed Upload"),
    "inconsistent_length": (f"{_REGISTRY}#inconsistent-upload-length", "Inconsistent Upload Length Values"),
    "digest_mismatch": (f"{_REGISTRY}#digest-mismatching-value", "Mismatching Digest Value"),
}
# For a file that we would have opened ourselves; it passes, as others are closed.
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_RETRY_SECONDS = 5
_BUSY_SECONDS = 1
_TITLES = {status.value: status.phrase for status in HTTPStatus} | {
    104: "Upload Resumption Supported",  # draft-ietf-httpbis-resumable-upload
    460: "Checksum Mismatch",  # tus 1.0 §Checksum
    # Python 3.13 calls these by their newer names; what clients see does not depend on it.
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}
_OUR_FAULT = "Something went wrong on our side"
# What we lean on tells its troubles to the log; these are for the caller.
_DETAILS: dict[int | str, str] = {
    503: "A service this server needs is away; try again in a moment",
    507: "There is no room left to store this; try again later",
    "file_too_large_for_disk": "The disk that this server keeps its bytes on takes no file of this length",
}


class Refusal(Exception):
    """A request that never got to a use case: its syntax, its headers or its method are refused."""

    log_level: ClassVar[int | None] = None
    """How loudly the log is told; None: as its status has it."""

    def __init__(self, status: int, code: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def status_of(error: BaseException) -> int:
    """500 for whatever was not meant to be raised."""
    match error:
        case LongshoreError():
            return STATUS.get(error.code, 500)
        case Refusal():
            return error.status
        case OSError() if error.errno in _OUT_OF_DESCRIPTORS:
            return 503
    return _told_by(error) or 500


def is_final(error: BaseException) -> bool:
    """Whether clients take it for the last word: tus-js-client and its like try again on 409, 423, 429 and 5xx."""
    status = status_of(error)
    return status < 500 and status not in (409, 423, 429)


def code_of(error: BaseException) -> str:
    match error:
        case LongshoreError() | Refusal():
            return error.code
        case OSError() if error.errno in _OUT_OF_DESCRIPTORS:
            return Unavailable.code
    status = _told_by(error)
    return re.sub(r"[^a-z]+", "_", title_of(status).lower()) if status else LongshoreError.code


def _told_by(error: BaseException) -> int | None:
    """The status that a web framework's own error has; by Tornado's, for one. Who embeds us may have no Tornado."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def detail_of(error: BaseException) -> str:
    """Words for the caller. What comes from below the surface (paths, SQL, causes) never does."""
    status = status_of(error)
    match error:
        case Refusal():
            return error.detail or title_of(status)
        case _ if status >= 500:
            return _DETAILS.get(code_of(error)) or _DETAILS.get(status, _OUR_FAULT)
        case LongshoreError():
            return error.detail or title_of(status)
    return title_of(status)


def headers_of(error: BaseException) -> dict[str, str]:
    """The headers that belong to the error whatever the dialect."""
    headers = dict(error.headers) if isinstance(error, Refusal) else {}
    status = status_of(error)
    if isinstance(error, OffsetMismatch):
        headers["Upload-Offset"] = str(error.expected)
    elif isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
        if error.told is not None:
            headers |= rate_headers(error.told)
    elif status == 503:
        headers.setdefault("Retry-After", str(_RETRY_SECONDS))
    elif status == 423:
        headers.setdefault("Retry-After", str(_BUSY_SECONDS))
    elif status == 401:
        headers.setdefault("WWW-Authenticate", _way_in(error))
    return headers


def _way_in(error: BaseException) -> str:
    """RFC 9110 §15.5.2: a 401 names one."""
    if isinstance(error, InvalidToken):
        return f'Bearer error="{InvalidToken.code}"'  # RFC 6750 §3.1: what was wrong only to who has shown a token
    return "Bearer" if isinstance(error, Unauthenticated) and error.wants_token else "X-User-Id"


def problem(error: BaseException, request_id: str) -> dict[str, str | int]:
    """RFC 9457 problem details; unknown errors say nothing about themselves, so the caller logs them."""
    status, code = status_of(error), code_of(error)
    # RFC 9457 §4.2.1: the title of about:blank is the status's
    type_, title = _TYPES.get(code, ("about:blank", title_of(status)))
    about: dict[str, str | int] = {
        "type": type_,
        "title": title,
        "status": status,
        "detail": detail_of(error),
        "code": code,
        "request_id": request_id,
    }
    if isinstance(error, OffsetMismatch):
        about |= {"expected-offset": error.expected, "provided-offset": error.actual}
    return about


def title_of(status: int) -> str:
    """What RFCs call it: also the reason in a reply's first line."""
    return _TITLES.get(status, "Error")
