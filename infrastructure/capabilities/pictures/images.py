"""Pictures and their thumbnails at /images, and the job that draws them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dependency_injector import providers

from adapters.inbound.http.images.images import Images
from adapters.outbound.system.spool import DiskSpool
from application.image import ImageUseCase
from application.rendering import ThumbnailsHandler
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.files import FilesParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.storage import StorageParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Parts, Variables, late, of
from infrastructure.process import cores
from infrastructure.setting_values import Pixels, Size

_LEAST_PROCESSES = 2  # whoever waits for an answer does not wait for a thumbnail


class ImagesVariables(Variables):
    max_file_size: Size = 10 * 1024**2
    image_max_pixels: Pixels = 80_000_000


class ImagesParts(Parts):
    # Its processes load Pillow when the first picture comes; this one never does.
    image_processor = providers.Singleton(
        late("adapters.outbound.pillow.processor", "PillowProcessor"),
        max_pixels=of.image_max_pixels,
        processes=providers.Callable(lambda jobs: max(_LEAST_PROCESSES, cores(), jobs), of.workers_inline),
        folder=of.data_dir,
    )
    image_spool = providers.Singleton(DiskSpool, of.data_dir)
    images = providers.Singleton(
        ImageUseCase,
        unit_of_work=EventsParts.unit_of_work,
        keeping=CoreParts.keeping,
        downloads=CoreParts.downloads,
        processor=image_processor,
        spool=image_spool,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
        max_size=of.max_file_size,
    )
    thumbnails_handler = providers.Singleton(
        ThumbnailsHandler,
        unit_of_work=EventsParts.unit_of_work,
        blobs=StorageParts.blob_storage,
        processor=image_processor,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
    )
    image_routes = providers.Singleton(
        Images,
        images=images,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        files=FilesParts.files,
        links=LinksParts.links,
        executor=WebParts.body_threads,
    )


@asynccontextmanager
async def _opened(parts: ImagesParts, _: ImagesVariables) -> AsyncIterator[None]:
    yield
    await parts.image_processor().close()


IMAGES = Capability(
    variables=ImagesVariables,
    parts=[ImagesParts],
    opened=_opened,
    resources=lambda parts: parts.image_routes().resources(),
    jobs=lambda parts: [parts.thumbnails_handler()],
    documents=["adapters.inbound.http.images.document"],
)
