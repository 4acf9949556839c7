"""One refusal for all ways in: its line in the log, its status and headers, its problem details (RFC 9457)."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from adapters.inbound.common.errors import Refusal, headers_of, problem
from adapters.inbound.common.heads import Head
from domain.errors import StorageFull

if TYPE_CHECKING:
    from tornado.web import RequestHandler

_TOLD_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    status: int
    headers: dict[str, str]
    body: bytes


def refuse(error: BaseException, request: Head, request_id: str, *, what: str = "refused") -> Refused:
    """Tell the log ``what`` happened and why, and word it for the caller, who is told less."""
    about = problem(error, request_id)
    status = int(about["status"])
    level = logging.ERROR if status == 500 else logging.WARNING if status > 500 else logging.INFO
    if isinstance(error, Refusal) and error.log_level is not None:
        level = error.log_level
    elif isinstance(error, StorageFull) and not _is_news(str(error)):
        level = logging.DEBUG  # a disk stays full for long, and every client asks again
    log.log(
        level,
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


def _is_news(what: str) -> bool:
    """Whether nobody has been told of it for a minute."""
    last, now = _told_at.get(what, float("-inf")), time.monotonic()
    if now - last < _TOLD_SECONDS:
        return False
    _told_at[what] = now
    return True


_told_at: dict[str, float] = {}  # by the few words that the storages have for it


def answer_with(handler: "RequestHandler", refused: Refused) -> "asyncio.Future[None]":
    """From a handler of Tornado's that has not sent anything yet; the result is done once it is sent."""
    handler.set_status(refused.status)
    for name, value in refused.headers.items():
        handler.set_header(name, value)
    return handler.finish(refused.body)
