"""A delivery to a receiver, as a span: how long it took, and what was answered."""

import re
from collections.abc import Callable, Mapping

from application.observing.trace import current_trace, trace_headers, within
from domain.trace import Span, SpanKind
from domain.webhook import Answer, Endpoint
from ports.tracer import Tracer
from ports.webhook_sender import WebhookSender

_PORT = re.compile(r":([0-9]+)$")


class TracedWebhookSender(WebhookSender):
    """Of the URL, which may be a secret, the host alone is told."""

    def __init__(self, sender: WebhookSender, tracer: Tracer, now: Callable[[], float]) -> None:
        self._sender = sender
        self._tracer = tracer
        self._now = now

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        trace, began = self._tracer.begun(current_trace()), self._now()
        answer = Answer(None)
        try:
            with within(trace):
                answer = await self._sender.post(url, {**headers, **trace_headers()}, body)
        finally:
            if trace is not None:
                seconds, is_taken = self._now() - began, 200 <= (answer.status or 0) <= 299
                attributes = {"http.request.method": "POST", **_receiver(url), **_answered(answer)}
                self._tracer.ended(Span(trace, "POST", SpanKind.CLIENT, seconds, attributes, has_failed=not is_taken))
        return answer

    async def close(self) -> None:
        await self._sender.close()


def _receiver(url: str) -> Mapping[str, str | int]:
    host = Endpoint(url).host
    port = _PORT.search(host)
    default = 443 if url.startswith("https:") else 80
    return {"server.address": _PORT.sub("", host), "server.port": int(port[1]) if port else default}


def _answered(answer: Answer) -> Mapping[str, str | int]:
    if answer.status is None:
        return {"error.type": "no_answer"}
    failure = {"error.type": str(answer.status)} if answer.status >= 400 else {}
    return {"http.response.status_code": answer.status, **failure}
