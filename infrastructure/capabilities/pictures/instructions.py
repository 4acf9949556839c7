"""Instructions at /instructions, with products and cleanup, and the job that works on their details."""

from collections.abc import Iterable

from dependency_injector import providers

from adapters.inbound.http.instructions.instructions import Instructions
from application.instruction import InstructionUseCase
from application.instruction.cleanup import InstructionCleanup
from application.instruction.editing import EditHandler
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.files import FilesParts
from infrastructure.capabilities.identity import IdentityParts
from infrastructure.capabilities.pictures.images import ImagesParts
from infrastructure.capabilities.storage import StorageParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capabilities.upkeep import UpkeepVariables
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Parts, of
from infrastructure.chores import Chore


class InstructionsParts(Parts):
    instructions = providers.Singleton(
        InstructionUseCase,
        unit_of_work=EventsParts.unit_of_work,
        keeping=CoreParts.keeping,
        downloads=CoreParts.downloads,
        files=CoreParts.stored_files,
        processor=ImagesParts.image_processor,
        spool=ImagesParts.image_spool,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
    )
    edit_handler = providers.Singleton(
        EditHandler,
        unit_of_work=EventsParts.unit_of_work,
        keeping=CoreParts.keeping,
        blobs=StorageParts.blob_storage,
        processor=ImagesParts.image_processor,
        spool=ImagesParts.image_spool,
        clock=SystemParts.clock,
    )
    instruction_cleanup = providers.Singleton(
        InstructionCleanup,
        unit_of_work=EventsParts.unit_of_work,
        blobs=StorageParts.blob_storage,
        clock=SystemParts.clock,
        after=of.cleanup_after,
    )
    instruction_routes = providers.Singleton(
        Instructions,
        instructions=instructions,
        cleanup=instruction_cleanup,
        uploads=CoreParts.uploads,
        files=FilesParts.files,
        authenticator=IdentityParts.authenticator,
        executor=WebParts.body_threads,
    )


def _chores(parts: InstructionsParts, settings: UpkeepVariables) -> Iterable[Chore]:
    yield Chore(work=parts.instruction_cleanup().run, seconds=settings.cleanup_interval.total_seconds())


INSTRUCTIONS = Capability(
    parts=[InstructionsParts],
    resources=lambda parts: parts.instruction_routes().resources(),
    jobs=lambda parts: [parts.edit_handler()],
    chores=_chores,
    documents=["adapters.inbound.http.instructions.document"],
)
