"""One transaction over the repositories. Contract: tests/contract/test_unit_of_work.py."""

from collections.abc import Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Self

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.blob_deletions import SqlBlobDeletions
from adapters.outbound.sql.repositories.files import SqlFileRepository
from adapters.outbound.sql.repositories.images import SqlImageRepository
from adapters.outbound.sql.repositories.instructions import SqlInstructionRepository
from adapters.outbound.sql.repositories.jobs import SqlJobQueue
from adapters.outbound.sql.repositories.notifications import SqlNotifications, keep
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.received_images import SqlReceivedImages
from adapters.outbound.sql.repositories.uploads import SqlUploadRepository
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


class SqlUnitOfWork(UnitOfWork):
    """Events wait in the outbox, written with the change itself; after the commit they go to its notifier, and workers
    are told of new jobs."""

    def __init__(self, database: Database, outbox: SqlOutbox, carry: Callable[[JobId], None], jobs_of: JobsOf) -> None:
        self._transaction = database.transaction()
        self._outbox = outbox
        self._carry = carry
        self._jobs_of = jobs_of
        self._announced: list[Event] = []
        self._due: list[JobId] = []

    # Each is made when it is asked for: hardly any unit of work needs more than two.

    @cached_property
    def uploads(self) -> UploadRepository:
        return SqlUploadRepository(self._transaction)

    @cached_property
    def files(self) -> FileRepository:
        return SqlFileRepository(self._transaction)

    @cached_property
    def blob_deletions(self) -> BlobDeletions:
        return SqlBlobDeletions(self._transaction)

    @cached_property
    def images(self) -> ImageRepository:
        return SqlImageRepository(self._transaction)

    @cached_property
    def received_images(self) -> ReceivedImages:
        return SqlReceivedImages(self._transaction)

    @cached_property
    def instructions(self) -> InstructionRepository:
        return SqlInstructionRepository(self._transaction)

    @cached_property
    def jobs(self) -> JobQueue:
        return SqlJobQueue(self._transaction, self._due.append)

    @cached_property
    def notifications(self) -> Notifications:
        return SqlNotifications(self._transaction)

    def announce(self, event: Event) -> None:
        self._announced.append(event)

    async def commit(self) -> None:
        events, self._announced = self._announced, []
        numbers = await self._outbox.keep(events, self._transaction) if events else []
        await self._ask_for_jobs(events)
        await keep(events, self._transaction)
        await self._transaction.commit()
        if events:
            self._outbox.publish(events, numbers)
        due, self._due = self._due, []
        for job_id in due:
            self._carry(job_id)

    async def _ask_for_jobs(self, events: Sequence[Event]) -> None:
        jobs = [job for event in events for job in self._jobs_of(event)]
        if jobs:
            queue = SqlJobQueue(self._transaction, lambda _: None)
            for job in jobs:
                await queue.add(job)

    async def __aenter__(self) -> Self:
        await self._transaction.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._announced = []
        await self._transaction.__aexit__(kind, error, trace)


class SqlUnitOfWorkFactory:
    """Call it for a new unit of work; it is a ``ports.unit_of_work.UnitOfWorkFactory``.

    ``carry``: told of each new job after the commit. ``jobs_of``: what is to be done about each event.
    """

    def __init__(
        self,
        database: Database,
        outbox: SqlOutbox,
        carry: Callable[[JobId], None] = lambda _: None,
        jobs_of: JobsOf = nothing_to_do,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._carry = carry
        self.jobs_of = jobs_of

    def __call__(self) -> UnitOfWork:
        return SqlUnitOfWork(self._database, self._outbox, self._carry, self.jobs_of)
