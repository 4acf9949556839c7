"""The image receiver at /image/upload: the pictures of a browser tab, by a WebSocket."""

from collections.abc import Iterable

from dependency_injector import providers

from adapters.inbound.http.engine.handlers import Handler
from adapters.inbound.websocket.image_receiver import ImageReceiverSocket
from application.image_receiver import ImageReceiverUseCase
from domain.received_image import SessionLimits
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.pictures.images import ImagesParts
from infrastructure.capabilities.room import RoomParts
from infrastructure.capabilities.storage import StorageParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import Capability, Parts, Variables, of
from infrastructure.setting_values import Count, Size


class ImageReceiverVariables(Variables):
    image_max_size: Size = 5 * 1024**2
    image_max_count: Count = 10


class ImageReceiverParts(Parts):
    session_limits = providers.Singleton(SessionLimits, max_count=of.image_max_count, max_bytes=of.image_max_size)
    image_receiver = providers.Singleton(
        ImageReceiverUseCase,
        unit_of_work=EventsParts.unit_of_work,
        keeping=CoreParts.keeping,
        blobs=StorageParts.blob_storage,
        spool=ImagesParts.image_spool,
        processor=ImagesParts.image_processor,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
        limits=session_limits,
        room=RoomParts.room,
    )


def _handlers(parts: ImageReceiverParts) -> Iterable[Handler]:
    yield (
        r"/image/upload/?",
        ImageReceiverSocket,
        {
            "receiver": parts.image_receiver(),
            "sockets": parts.sockets(),
            "authenticator": parts.authenticator(),
            "counter": parts.counter(),
        },
    )


IMAGE_RECEIVER = Capability(variables=ImageReceiverVariables, parts=[ImageReceiverParts], handlers=_handlers)
