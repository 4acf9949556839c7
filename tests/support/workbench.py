"""Instructions in one process of a deployment, with a worker's hand and an editor that changes nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from adapters.outbound.memory.spool import MemorySpool
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.instruction import InstructionUseCase
from application.instruction.cleanup import InstructionCleanup
from application.instruction.editing import EditHandler
from application.views import DetailView
from domain.access import Principal
from domain.errors import LongshoreError
from domain.ids import DetailId, FileId, file_id_of
from domain.instruction import EDIT, Detail, Instruction
from domain.job import Job
from domain.product import Edited, ProductKey, Recipe
from ports.blob_storage import Blob
from ports.spool import Spooled
from tests.support.builders import ALICE, an_id
from tests.support.deployment import Deployment
from tests.support.image_processor import PlainProcessor, plain_picture
from tests.support.sources import source_of

PICTURE = plain_picture(7, filling=b"the sea " * 20)
AFTER = timedelta(hours=1)


class StandInEditor(PlainProcessor):
    """``edit_error``: raised by ``edit`` alone. ``while_editing`` happens once."""

    def __init__(self) -> None:
        super().__init__()
        self.edit_error: LongshoreError | None = None
        self.while_editing: Callable[[], Awaitable[None]] | None = None
        self.recipes: list[Recipe] = []

    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        self.recipes.append(recipe)
        happens, self.while_editing = self.while_editing, None
        if happens is not None:
            await happens()
        if self.edit_error is not None:
            raise self.edit_error
        return await super().edit(picture, recipe, into)


class Workbench:
    def __init__(self, deployment: Deployment) -> None:
        self.process = process = deployment.process()
        self.processor = StandInEditor()
        self.instructions = InstructionUseCase(
            unit_of_work=process.units,
            keeping=process.keeping,
            downloads=process.downloads,
            files=process.files,
            processor=self.processor,
            spool=MemorySpool(),
            clock=deployment.clock,
            ids=SystemIdGenerator(),
        )
        self.handler = EditHandler(
            unit_of_work=process.units,
            keeping=process.keeping,
            blobs=process.blobs,
            processor=self.processor,
            spool=MemorySpool(),
            clock=deployment.clock,
        )
        self.cleanup = InstructionCleanup(
            unit_of_work=process.units, blobs=process.blobs, clock=deployment.clock, after=AFTER
        )

    async def instruction(self, who: Principal = ALICE, product: str = ProductKey.COMPRESS) -> Instruction:
        return await self.instructions.create(who, product)

    async def receive(
        self, instruction: Instruction, data: bytes = PICTURE, *, filename: str = "sea.jpg", who: Principal = ALICE
    ) -> Detail:
        detail = await self.instructions.receive(who, who, instruction.id, source_of(data), filename)
        assert detail is not None
        return detail

    async def stored(self, data: bytes = PICTURE, who: Principal = ALICE) -> FileId:
        """A file that came by tus, say."""
        upload = await self.process.begin(len(data), who)
        await self.process.send(upload.id, data, who=who)
        return file_id_of(upload.id)

    async def look(self, detail: Detail, *, output: bool = False) -> DetailView:
        wanted: DetailId = detail.output_id if output else detail.id
        return await self.instructions.detail(ALICE, detail.instruction_id, wanted)

    async def claim(self, *, lease_seconds: float = 60) -> Job | None:
        async with self.process.units() as work:
            job = await work.jobs.claim([EDIT], token=an_id(), lease_seconds=lease_seconds)
            await work.commit()
        return job

    async def work(self) -> int:
        """Do all that is to be done; how many jobs that were."""
        done = 0
        while (job := await self.claim()) is not None:
            await self.handler.run(job)
            done += 1
        return done
