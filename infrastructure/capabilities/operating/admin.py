"""What administrators see and may do, at /admin."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dependency_injector import providers

from adapters.inbound.http.operations.admin import AdminRoutes
from adapters.outbound.system.disks import figures_of
from application.administration import AdministrationUseCase, DiskFigures
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.identity import IdentityParts
from infrastructure.capabilities.pictures.instructions import InstructionsParts
from infrastructure.capabilities.room import RoomVariables
from infrastructure.capabilities.system import SystemParts
from infrastructure.capabilities.workers import WorkersParts
from infrastructure.capability import Capability, Parts


def _disks(settings: RoomVariables) -> Callable[[], Awaitable[Sequence[DiskFigures]]]:
    folders = [("data", settings.data_dir), *(("storage", folder) for folder in settings.filled_folders)]

    def measured() -> Sequence[DiskFigures]:
        found = ((name, figures_of(folder)) for name, folder in folders)
        return [DiskFigures(name, disk.size, disk.free) for name, disk in found if disk is not None]

    return lambda: asyncio.to_thread(measured)


class AdminParts(Parts):
    administration = providers.Singleton(
        AdministrationUseCase,
        unit_of_work=EventsParts.unit_of_work,
        clock=SystemParts.clock,
        jobs=WorkersParts.jobs,
        foresee_uploads=CoreParts.cleanup.foresee,
        foresee_inputs=InstructionsParts.instruction_cleanup.provided.foresee,
        disks=providers.Callable(_disks, Parts.settings),
    )
    admin_routes = providers.Singleton(AdminRoutes, administration, IdentityParts.authenticator, CoreParts.policy)


ADMIN = Capability(parts=[AdminParts], resources=lambda parts: parts.admin_routes().resources())
