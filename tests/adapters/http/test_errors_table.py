"""Every refusal has its status, and none of them says more than it should."""

import errno
import json

import pytest
import structlog
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

import domain.errors
from adapters.inbound.common.errors import STATUS, Refusal, code_of, detail_of, headers_of, problem, status_of
from adapters.inbound.common.refusals import refuse
from adapters.inbound.http.engine.framing import CutShort
from adapters.inbound.http.engine.refused import NoRoom
from domain.errors import (
    FileNotFound,
    FileTooLargeForDisk,
    LongshoreError,
    OffsetMismatch,
    RepositoryUnavailable,
    StorageFull,
    StorageUnavailable,
    TooManyRequests,
    Unauthenticated,
    UploadBusy,
    UploadNotOpen,
)


def every_error() -> list[type[LongshoreError]]:
    return [
        value for value in vars(domain.errors).values() if isinstance(value, type) and issubclass(value, LongshoreError)
    ]


def test_every_domain_error_has_a_code_of_its_own_and_its_row_in_the_table() -> None:
    codes = [error.code for error in every_error()]
    assert len(codes) > 30
    assert sorted(codes) == sorted(set(codes))
    assert set(codes) == set(STATUS)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalid_metadata", 400), ("unknown_checksum_algorithm", 400), ("unauthenticated", 401),
        ("upload_is_final", 403), ("upload_not_found", 404), ("offset_mismatch", 409),
        ("upload_expired", 410), ("upload_too_large", 413), ("length_exceeded", 413), ("upload_busy", 423),
        ("too_many_requests", 429), ("checksum_mismatch", 460), ("internal_error", 500),
        ("storage_unavailable", 503), ("repository_unavailable", 503), ("storage_full", 507),
        ("file_too_large_for_disk", 507),
    ],
)  # fmt: skip
def test_the_statuses_that_the_contract_names(code: str, status: int) -> None:
    assert STATUS[code] == status


def test_a_problem_has_exactly_the_members_of_the_contract() -> None:
    assert problem(UploadNotOpen("the upload is aborted"), "r1") == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "the upload is aborted",
        "code": "upload_not_open",
        "request_id": "r1",
    }


def test_a_registered_problem_has_its_type_its_title_and_its_own_members() -> None:
    assert problem(OffsetMismatch(expected=5, actual=7), "r1") == {
        "type": "https://iana.org/assignments/http-problem-types#mismatching-upload-offset",
        "title": "Mismatching Upload Offset",
        "status": 409,
        "detail": "the upload's offset is 5, the request began at 7",
        "code": "offset_mismatch",
        "request_id": "r1",
        "expected-offset": 5,
        "provided-offset": 7,
    }
    assert headers_of(OffsetMismatch(expected=5, actual=7)) == {"Upload-Offset": "5"}


def test_an_error_without_words_gets_its_statuss() -> None:
    assert problem(FileNotFound(), "r1")["detail"] == "Not Found"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("/srv/files/secret"),
        LongshoreError("/srv/files/secret"),
        StorageUnavailable("/srv/files/secret"),
        RepositoryUnavailable("SELECT secret FROM users"),
        StorageFull("/srv/files/secret"),
        HTTPError(500, "secret"),
        HTTPError(404, "secret"),
        KeyError("secret"),
    ],
)
def test_nothing_from_below_the_surface_is_shown(error: Exception) -> None:
    shown = str(problem(error, "r1"))
    assert "secret" not in shown
    assert "/srv" not in shown


def test_an_unknown_error_is_ours() -> None:
    shown = problem(ZeroDivisionError(), "r1")
    assert (shown["status"], shown["code"]) == (500, "internal_error")
    assert shown["detail"] == "Something went wrong on our side"


def test_the_web_frameworks_own_refusals_keep_their_status() -> None:
    shown = problem(HTTPError(405), "r1")
    assert (shown["status"], shown["code"], shown["title"]) == (
        405,
        "method_not_allowed",
        "Method Not Allowed",
    )


def test_a_refusal_keeps_its_status_code_and_headers() -> None:
    error = Refusal(412, "unsupported_version", "tus 1.0.0 is spoken here", {"Tus-Version": "1.0.0"})
    assert (status_of(error), detail_of(error)) == (412, "tus 1.0.0 is spoken here")
    assert problem(error, "r1")["code"] == "unsupported_version"
    assert headers_of(error) == {"Tus-Version": "1.0.0"}
    assert detail_of(Refusal(503, "unavailable", "come again")) == "come again", "its words are for the caller"


def test_who_should_come_back_later_is_told_when() -> None:
    assert headers_of(TooManyRequests("slow down")) == {"Retry-After": "1"}
    assert int(headers_of(StorageUnavailable())["Retry-After"]) > 0
    assert int(headers_of(RepositoryUnavailable())["Retry-After"]) > 0
    assert int(headers_of(UploadBusy())["Retry-After"]) > 0
    assert "Retry-After" not in headers_of(FileNotFound())


def test_a_file_that_never_fits_is_no_reason_to_come_back() -> None:
    assert "Retry-After" not in headers_of(FileTooLargeForDisk())
    assert "again" not in detail_of(FileTooLargeForDisk("/srv/files"))


@pytest.mark.parametrize(
    ("error", "level"),
    [
        *[
            (FileNotFound("no such file"), "info"),
            (StorageFull("/srv/files"), "warning"),
            (KeyError("secret"), "error"),
        ],
        *[(CutShort(), "info"), (NoRoom(), "debug"), (OSError(errno.EMFILE, "too many open files"), "warning")],
    ],
)
def test_a_refusal_is_told_to_the_log_and_words_itself_for_the_caller(error: Exception, level: str) -> None:
    line = RequestStartLine("GET", "/files/1?secret=x", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "a"}))
    with structlog.testing.capture_logs() as log:
        refused = refuse(error, request, "r1")
    status = status_of(error)
    told: dict[str, object] = {
        "event": "refused",
        "log_level": level,
        "request_id": "r1",
        "method": "GET",
        "path": "/files/1",
    }
    told |= {"status": status, "code": code_of(error), "detail": str(error)}
    assert log == [told | ({"exc_info": error} if status == 500 else {})]
    assert (refused.status, json.loads(refused.body)) == (status, problem(error, "r1"))
    assert refused.headers == {
        **headers_of(error),
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
    }


def test_a_401_names_a_way_in() -> None:
    assert headers_of(Unauthenticated("who?")) == {"WWW-Authenticate": "X-User-Id"}
    assert headers_of(Unauthenticated("who?", wants_token=True)) == {"WWW-Authenticate": "Bearer"}
