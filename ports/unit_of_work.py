"""One transaction over all repositories. Contract: tests/contract/test_unit_of_work.py."""

from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from domain.events import Event
from ports.blob_deletions import BlobDeletions
from ports.file_repository import FileRepository
from ports.image_repository import ImageRepository
from ports.instruction_repository import InstructionRepository
from ports.job_queue import JobQueue
from ports.notifications import Notifications
from ports.received_images import ReceivedImages
from ports.upload_repository import UploadRepository


class UnitOfWork(Protocol):
    """``async with`` opens it; leaving without ``commit`` undoes everything.

    Events given to ``announce`` are kept with the change itself and reach the notifier after the commit,
    even if this process dies in between: then another one finds and publishes them. So is, as jobs, what is to be done
    about them, where whoever made this one named something (``JobsOf``).

    Every call raises RepositoryUnavailable while the database is away.
    """

    @property
    @abstractmethod
    def uploads(self) -> UploadRepository: ...

    @property
    @abstractmethod
    def files(self) -> FileRepository: ...

    @property
    @abstractmethod
    def blob_deletions(self) -> BlobDeletions: ...

    @property
    @abstractmethod
    def images(self) -> ImageRepository: ...

    @property
    @abstractmethod
    def received_images(self) -> ReceivedImages: ...

    @property
    @abstractmethod
    def instructions(self) -> InstructionRepository: ...

    @property
    @abstractmethod
    def jobs(self) -> JobQueue: ...

    @property
    @abstractmethod
    def notifications(self) -> Notifications: ...

    @abstractmethod
    def announce(self, event: Event) -> None: ...

    @abstractmethod
    async def commit(self) -> None: ...

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


UnitOfWorkFactory = Callable[[], UnitOfWork]
