"""One refusal for all ways in: its line in the log, its status and headers, its problem details (RFC 9457)."""

import asyncio
import json
from dataclasses import dataclass

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from adapters.inbound.common.errors import Refusal, headers_of, problem

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    status: int
    headers: dict[str, str]
    body: bytes


def refuse(error: BaseException, request: HTTPServerRequest, request_id: str, *, what: str = "refused") -> Refused:
    """Tell the log ``what`` happened and why, and word it for the caller, who is told less."""
    about = problem(error, request_id)
    status = int(about["status"])
    tell = log.error if status == 500 else log.warning if status > 500 else log.info
    if isinstance(error, Refusal) and error.is_told:
        tell = log.debug
    tell(
        what,
        request_id=request_id,
        method=request.method,
        path=request.path,
        status=status,
        code=about["code"],
        detail=str(error),
        **({"exc_info": error} if status == 500 else {}),
    )
    headers = {**headers_of(error), "Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return Refused(status, headers, json.dumps(about).encode())


def answer_with(handler: RequestHandler, refused: Refused) -> "asyncio.Future[None]":
    """From a handler of Tornado's that has not sent anything yet; the result is done once it is sent."""
    handler.set_status(refused.status)
    for name, value in refused.headers.items():
        handler.set_header(name, value)
    return handler.finish(refused.body)
