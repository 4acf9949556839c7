"""Where the bytes of an unfinished upload wait. Contract: tests/contract/suites/chunk_storage.py."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.byte_range import Extent
from domain.checksum import Hasher
from domain.ids import BlobKey, UploadId
from ports.byte_source import ByteSource


@dataclass(frozen=True, slots=True)
class Staged:
    """Bytes of an upload found in storage, whether or not a repository knows of it."""

    upload_id: UploadId
    modified_at: datetime


class ChunkStorage(Protocol):
    """Holds more than the repository promises at times, never less: bytes are written in place and only
    then recorded, so a crash or a refusal needs no undo."""

    @abstractmethod
    def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], None] = lambda: None,
        expects: int | None = None,
    ) -> AsyncGenerator[Extent, None]:
        """Store the source's bytes from byte ``at`` on; yield each stretch once it is durable.

        A stretch is at most 8 MiB (or a whole body that was announced to have up to 16 MiB), or about 1 s of body. At
        most ``limit`` bytes are taken from the source (None: all); the rest stays unread. ``hasher`` sees every byte in
        order, off the event loop. A cut body yields what had arrived. The caller holds the upload's lease; ``permit``
        is called right before bytes are written, in any thread, and nothing is written once it raises. Writing a range
        twice is allowed; the later bytes win. ``expects`` (None: ``at``): one past the last byte that has been
        received, for chunks that come in any order; where it is less than ``at``, a gap is left.

        Raises:
            Whatever ``permit`` raises.
            FileGone: bytes before ``expects`` are not there any more.
            StorageFull: no room; stretches yielded before stay durable.
            StorageUnavailable: the medium failed; the same holds.
        """

    @abstractmethod
    async def holds(self, upload_id: UploadId, *, extent: Extent, source: ByteSource) -> bool:
        """Whether the source's next bytes are those that were received as ``extent``, to its end.

        Reads the source block by block, never past the extent, and stops where it differs. Nothing is written.
        For storage that can't read its bytes back there is the extent's checksum, if that is known.

        Raises:
            FileGone: the bytes are not there any more.
            StorageUnavailable: the medium failed.
        """

    @abstractmethod
    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        """Store a copy of the first so many bytes of each part, one after the other, as ``upload_id``'s bytes.

        Returns once they are durable. The parts stay.

        Raises:
            StorageFull: there is no room for all of them, told before the first one is copied where that can be known.
            StorageUnavailable: as ``write``.
            FileGone: a part's bytes are not there.
        """

    @abstractmethod
    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        """Turn the first ``size`` bytes into an immutable blob, durable under a crash; return its ``blob_key_of``.

        No byte is copied. Done twice it gives the same key. ``fenced``: there were many writers, and whoever still is
        about to write, thought dead for long, can't reach the blob; for that, and only if there is one, it is copied.

        Raises:
            FileGone: the bytes are not there.
            StorageUnavailable, StorageFull.
        """

    @abstractmethod
    async def discard(self, upload_id: UploadId) -> None:
        """Forget the upload's bytes; nothing happens if there are none."""

    @abstractmethod
    def staged(self) -> AsyncIterator[Staged]:
        """Every upload that has bytes here, in any order."""
