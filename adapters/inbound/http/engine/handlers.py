"""What Tornado's own handlers have in common here."""

from functools import cached_property
from types import TracebackType
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler

from adapters.inbound.common.refusals import answer_with, refuse
from adapters.inbound.common.request_id import request_id_of

log = structlog.get_logger(__name__)

Handler = tuple[str, type[RequestHandler], dict[str, Any]]
"""A path that Tornado serves: its pattern, who answers, and what that one is given."""


class ProblemHandler(RequestHandler):
    """Says what is wrong as RFC 9457 problem details. No other method than GET or HEAD gets here (``Router``)."""

    @cached_property
    def request_id(self) -> str:
        return request_id_of(self.request.headers)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Request-Id", self.request_id)

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 -- Tornado's signature
        error = kwargs.get("exc_info", (None, HTTPError(status_code), None))[1]
        _ = answer_with(self, refuse(error, self.request, self.request_id))

    def log_exception(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._headers_written and error is not None and not isinstance(error, HTTPError):  # else ``refuse`` tells
            log.error("request failed", request_id=self.request_id, exc_info=error)
