"""Takes small files that come whole: bytes, rows and events together. Contract: tests/contract/test_file_intake.py."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.byte_range import Extent
from domain.events import Event
from domain.file import File
from domain.upload import Upload
from domain.upload_policy import UploadPolicy


class FileIntake(Protocol):
    """In place of a chunk storage, a ledger and two units of work, for uploads that nobody knows of yet: those need
    no lease, for nobody else can write to them, and no look at what they hold."""

    max_bytes: int
    """How long a file may be; it will be held in memory."""

    @abstractmethod
    def extent(self, data: bytes) -> Extent:
        """All of ``data``, with its checksum."""

    @abstractmethod
    async def take(
        self,
        upload: Upload,
        file: File,
        events: Sequence[Event],
        data: bytes,
        *,
        policy: UploadPolicy,
    ) -> None:
        """Return once ``data`` is durable as the file's blob, and after that upload, file and events are committed, in
        one transaction that others may share; then the events are published.

        ``upload`` is completed, ``file`` is its file. ``policy`` says what the owner may have with this one, as in
        ``UploadRepository.check_usage``. A crash before the commit leaves bytes that nobody knows of, where
        ``ChunkStorage.staged`` finds them.

        Raises:
            What ``policy`` raises, StorageFull, StorageUnavailable: nothing is kept.
            RepositoryUnavailable: the transaction may or may not be committed; if it is, the bytes are durable.
        """
