"""Live progress for who watches: WebSockets and event streams."""

from collections.abc import Iterable

from dependency_injector import providers

from adapters.inbound.http.engine.handlers import Handler
from adapters.inbound.http.progress.events import EventsHandler
from adapters.inbound.http.progress.stream import EventStreams
from adapters.inbound.websocket.base import Sockets
from adapters.inbound.websocket.progress import ProgressSocket
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Parts


class ProgressParts(Parts):
    sockets = providers.Singleton(Sockets, WebParts.drain)
    streams = providers.Singleton(EventStreams, WebParts.drain)


def _handlers(parts: ProgressParts) -> Iterable[Handler]:
    watching = {
        "progress": parts.progress(),
        "authenticator": parts.authenticator(),
        "rate_limiter": parts.rate_limiter(),
    }
    yield r"/ws/progress/?", ProgressSocket, {**watching, "sockets": parts.sockets()}
    yield r"/events/?", EventsHandler, {**watching, "streams": parts.streams(), "cors": parts.cors()}


PROGRESS = Capability(parts=[ProgressParts], handlers=_handlers)
