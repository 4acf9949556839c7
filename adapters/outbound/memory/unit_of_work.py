"""Changes that are seen by others at the commit, or never. Contract: tests/contract/test_unit_of_work.py."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from adapters.outbound.memory.blob_deletions import MemoryBlobDeletions
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.files import MemoryFileRepository
from adapters.outbound.memory.images import MemoryImageRepository
from adapters.outbound.memory.instructions import MemoryInstructionRepository
from adapters.outbound.memory.jobs import MemoryJobQueue
from adapters.outbound.memory.notifications import MemoryNotifications
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.received_images import MemoryReceivedImages
from adapters.outbound.memory.uploads import Changes, MemoryUploadRepository
from domain.events import Event
from domain.ids import JobId
from domain.job import JobsOf, nothing_to_do
from ports.blob_deletions import BlobDeletions
from ports.file_repository import FileRepository
from ports.image_repository import ImageRepository
from ports.instruction_repository import InstructionRepository
from ports.job_queue import JobQueue
from ports.notifications import Notifications
from ports.received_images import ReceivedImages
from ports.unit_of_work import UnitOfWork
from ports.upload_repository import UploadRepository


class MemoryUnitOfWork(UnitOfWork):
    def __init__(
        self,
        database: MemoryDatabase,
        outbox: MemoryOutbox,
        carry: Callable[[JobId], None] = lambda _: None,
        jobs_of: JobsOf = nothing_to_do,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._carry = carry
        self._jobs_of = jobs_of
        self._changes = Changes(database)
        self._announced: list[Event] = []
        self._uploads = MemoryUploadRepository(self._changes)
        self._files = MemoryFileRepository(self._changes)
        self._blob_deletions = MemoryBlobDeletions(self._changes)
        self._images = MemoryImageRepository(self._changes)
        self._received_images = MemoryReceivedImages(self._changes)
        self._instructions = MemoryInstructionRepository(self._changes)
        self._jobs = MemoryJobQueue(self._changes)
        self._notifications = MemoryNotifications(database)

    @property
    def uploads(self) -> UploadRepository:
        return self._uploads

    @property
    def files(self) -> FileRepository:
        return self._files

    @property
    def blob_deletions(self) -> BlobDeletions:
        return self._blob_deletions

    @property
    def images(self) -> ImageRepository:
        return self._images

    @property
    def received_images(self) -> ReceivedImages:
        return self._received_images

    @property
    def instructions(self) -> InstructionRepository:
        return self._instructions

    @property
    def jobs(self) -> JobQueue:
        return self._jobs

    @property
    def notifications(self) -> Notifications:
        return self._notifications

    def announce(self, event: Event) -> None:
        self._announced.append(event)

    async def commit(self) -> None:
        added, self._jobs.added = self._jobs.added, []
        for job in (job for event in self._announced for job in self._jobs_of(event)):
            await self._jobs.add(job)
        self._jobs.added.clear()  # workers hear of these by their event
        self._changes.check()
        self._changes.apply()
        self._notifications.commit()
        events, self._announced = self._announced, []
        self._database.outbox += events
        self._database.notify(events)
        self._outbox.publish(events)
        for job_id in added:
            self._carry(job_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._changes.forget()
        self._notifications.undo()
        self._announced.clear()
        self._jobs.added.clear()


class MemoryUnitOfWorkFactory:
    """Call it for a new unit of work; it is a ``ports.unit_of_work.UnitOfWorkFactory``.

    ``carry``: told of each new job after the commit. ``jobs_of``: what is to be done about each event.
    """

    def __init__(
        self,
        database: MemoryDatabase,
        outbox: MemoryOutbox,
        carry: Callable[[JobId], None] = lambda _: None,
        jobs_of: JobsOf = nothing_to_do,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._carry = carry
        self._jobs_of = jobs_of

    def __call__(self) -> UnitOfWork:
        return MemoryUnitOfWork(self._database, self._outbox, self._carry, self._jobs_of)
