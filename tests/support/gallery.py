"""Pictures for tests of what is done with them, and one who looks at these without decoding anything."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from adapters.outbound.memory.spool import MemorySpool
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.image import ImageUseCase
from application.rendering import ThumbnailsHandler
from application.views import ImageView
from domain.access import NOBODY, Principal
from domain.byte_range import ByteRange
from domain.errors import LongshoreError
from domain.ids import OwnerId
from domain.image import THUMBNAILS
from domain.job import Job
from domain.picture import CheckedPicture, PictureFacts, check_sniffed
from domain.product import Edited, Recipe
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob
from ports.image_processor import ImageProcessor
from ports.spool import Spooled
from tests.support.builders import ALICE, an_id
from tests.support.deployment import Deployment
from tests.support.sources import source_of

JPEG = b"\xff\xd8\xff\xe0 the rest of it is made up" * 10
PNG = b"\x89PNG\r\n\x1a\n and so on" * 10
HEIC = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic and so on"


@dataclass
class StandInProcessor(ImageProcessor):
    """Believes a picture's first bytes; what it draws are a few words. The errors are raised instead."""

    look_error: LongshoreError | None = None
    draw_error: LongshoreError | None = None
    while_drawing: Callable[[], Awaitable[None]] | None = None
    """Happens once."""
    drawn: list[bytes] = field(default_factory=list)

    async def look(self, picture: Blob, *, asker: OwnerId = NOBODY) -> PictureFacts:
        if self.look_error is not None:
            raise self.look_error
        return PictureFacts(check_sniffed((await _bytes(picture))[:64]), 4000, 3000)

    async def check(self, picture: Blob, *, asker: OwnerId = NOBODY) -> CheckedPicture:
        return CheckedPicture(await self.look(picture), 0)

    async def draw(self, picture: Blob, boxes: Sequence[Box]) -> Sequence[Drawn]:
        self.drawn.append(await _bytes(picture))
        happens, self.while_drawing = self.while_drawing, None
        if happens is not None:
            await happens()
        if self.draw_error is not None:
            raise self.draw_error
        return [Drawn(box, box, box * 3 // 4, "image/jpeg", f"{box.label}".encode()) for box in boxes]

    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        """The same bytes again."""
        facts = await self.look(picture)
        await into.append(await _bytes(picture))
        return Edited(recipe.format or facts.format, facts.width, facts.height)


async def _bytes(picture: Blob) -> bytes:
    return b"".join([block async for block in picture.blocks(ByteRange(0, picture.size))])


class Gallery:
    """The use case and the job's handler in one process of a deployment, with the stand-in."""

    def __init__(self, deployment: Deployment, *, max_size: int = 10_000) -> None:
        process = deployment.process()
        self.process = process
        self.processor = StandInProcessor()
        ids = SystemIdGenerator()
        self.images = ImageUseCase(
            unit_of_work=process.units,
            keeping=process.keeping,
            downloads=process.downloads,
            processor=self.processor,
            spool=MemorySpool(),
            clock=deployment.clock,
            ids=ids,
            max_size=max_size,
        )
        self.handler = ThumbnailsHandler(
            unit_of_work=process.units,
            blobs=process.blobs,
            processor=self.processor,
            clock=deployment.clock,
            ids=ids,
        )

    async def receive(self, data: bytes, *, filename: str = "a.jpg", who: Principal = ALICE) -> ImageView:
        view = await self.images.receive(who, source_of(data), filename=filename)
        assert view is not None
        return view

    async def claim(self) -> Job | None:
        async with self.process.units() as work:
            job = await work.jobs.claim(kinds=[THUMBNAILS], token=an_id(), lease_seconds=60)
            await work.commit()
        return job

    async def work(self) -> int:
        """Do all that is to be done; how many jobs that were."""
        done = 0
        while (job := await self.claim()) is not None:
            await self.handler.run(job)
            done += 1
        return done
