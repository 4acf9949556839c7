"""For who watches: live progress by WebSockets and event streams, notifications of what is done after the answer."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from dependency_injector import providers

from adapters.inbound.http.engine.handlers import Handler
from adapters.inbound.http.progress.events import EventsHandler
from adapters.inbound.http.progress.notifications import NotificationsHandler
from adapters.inbound.http.progress.stream import EventStreams
from adapters.inbound.websocket.base import Sockets
from adapters.inbound.websocket.progress import ProgressSocket
from application.notification import NotificationUseCase
from domain.measures import Family, gauges
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import AllSettings, Capability, Measured, Parts


class ProgressParts(Parts):
    sockets = providers.Singleton(Sockets, WebParts.drain, WebParts.stream_budget)
    streams = providers.Singleton(EventStreams, WebParts.drain, WebParts.stream_budget)
    notifications = providers.Singleton(NotificationUseCase, EventsParts.unit_of_work, EventsParts.feed)


@asynccontextmanager
async def _opened(parts: ProgressParts, _: AllSettings) -> AsyncIterator[None]:
    yield
    await parts.notifications().close()


def _handlers(parts: ProgressParts) -> Iterable[Handler]:
    common = {"authenticator": parts.authenticator(), "counter": parts.counter()}
    watching = {**common, "progress": parts.progress()}
    streaming = {"streams": parts.streams(), "cors": parts.cors()}
    yield r"/ws/progress/?", ProgressSocket, {**watching, "sockets": parts.sockets()}
    yield r"/events/?", EventsHandler, {**watching, **streaming}
    notifying = {**common, **streaming, "notifications": parts.notifications()}
    yield r"/notifications/sse/?", NotificationsHandler, notifying


def _measured(parts: ProgressParts) -> Iterable[Measured]:
    sockets, streams = parts.sockets(), parts.streams()

    def subscribers() -> Sequence[Family]:
        open_now = {"websocket": float(len(sockets)), "sse": float(len(streams))}
        return [gauges("longshore_subscribers", "Who watches by this process just now.", "transport", open_now)]

    yield subscribers


PROGRESS = Capability(
    parts=[ProgressParts],
    opened=_opened,
    handlers=_handlers,
    measured=_measured,
    documents=["adapters.inbound.http.progress.document", "adapters.inbound.websocket.document"],
)
