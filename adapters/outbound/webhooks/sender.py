"""Deliveries by Tornado's HTTP client. Contract: tests/contract/test_webhook_sender.py."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror

from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from adapters.outbound.webhooks.resolver import CheckedResolver, NotPublic
from domain.webhook import Answer
from ports.webhook_sender import WebhookSender

_MOST_OF_A_HEAD = 16 * 1024
_MOST_OF_A_BODY = 64 * 1024
_AT_ONCE = 10_000  # who asks has bounds of their own; to wait in the client's queue would take time from the patience
_USER_AGENT = "Longshore (Standard Webhooks)"


class TornadoWebhookSender(WebhookSender):
    """A connection for each delivery. ``allow_private``: also to addresses within, and to metadata services."""

    def __init__(self, *, allow_private: bool = False, patience_seconds: float = 15.0) -> None:
        self._allow_private = allow_private
        self._patience_seconds = patience_seconds
        self._client: SimpleAsyncHTTPClient | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        head = _Head()
        request = HTTPRequest(
            url,
            method="POST",
            headers={**headers, "Content-Type": "application/json"},
            body=body,
            user_agent=_USER_AGENT,
            follow_redirects=False,
            decompress_response=False,
            connect_timeout=self._patience_seconds,
            request_timeout=self._patience_seconds,
            header_callback=head.take,
            streaming_callback=lambda _: None,
        )
        try:
            await self._ready().fetch(request, raise_error=False)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is: it was not taken
            # An answer whose body is cut, too long or too slow is one all the same.
            return head.answer() or Answer(None, self._in_words(error))
        return head.answer() or Answer(None, "no answer")

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client.resolver.close()

    def _ready(self) -> SimpleAsyncHTTPClient:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True,
                max_clients=_AT_ONCE,
                resolver=CheckedResolver(allow_private=self._allow_private),
                max_buffer_size=_MOST_OF_A_BODY + _MOST_OF_A_HEAD,
                max_header_size=_MOST_OF_A_HEAD,
                max_body_size=_MOST_OF_A_BODY,
            )
        return self._client

    def _in_words(self, error: Exception) -> str:
        match error:
            case NotPublic():
                said = str(error)
            case HTTPTimeoutError():
                said = f"no answer within {self._patience_seconds:g} s"
            case HTTPStreamClosedError():
                said = "the connection was closed without an answer"
            case ssl.SSLCertVerificationError():
                said = f"its certificate is not good: {error.verify_message}"
            case gaierror():
                said = "its name is not known"
            case OSError(strerror=str(strerror)):
                said = strerror
            case _:
                said = f"no answer that is HTTP's: {type(error).__name__}"
        return said


class _Head:
    """The head of an answer as it comes, a line at a time; of several the last one, for interim ones come before."""

    def __init__(self) -> None:
        self._status = 0
        self._retry_after = ""

    def take(self, line: str) -> None:
        name, colon, value = line.partition(":")
        if not colon and line.startswith("HTTP/"):
            status = line.split()[1]
            self._status = int(status) if status.isdigit() else 0
        elif name.lower() == "retry-after":
            self._retry_after = value.strip()

    def answer(self) -> Answer | None:
        """None: there was none, or only interim ones."""
        if self._status < 200:
            return None
        return Answer(self._status, retry_after_seconds=_seconds(self._retry_after))


def _seconds(retry_after: str) -> float:
    """RFC 9110 §10.2.3: seconds, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:12])
    with suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(retry_after)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    return 0.0
