"""Keeps uploads. Contract: tests/contract/test_upload_repository.py."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.access import Principal
from domain.byte_range import ByteRange, Extent
from domain.ids import OwnerId, UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from domain.upload_state import UploadState

OpenPlace = tuple[datetime, UploadId]
"""Where among what is open one is: when it expires, and its id."""
Wanted = tuple[str, Principal]
"""A watch id, and who wants to see the upload that is shown under it."""


class UploadRepository(Protocol):
    """Works within one unit of work. ``save`` writes everything but the received ranges of an upload that
    exists already: those are the ledger's, until a complete one's are saved as the one range they have become."""

    @abstractmethod
    async def add(self, upload: Upload) -> None: ...

    @abstractmethod
    async def get(self, upload_id: UploadId, principal: Principal) -> Upload:
        """Raises:
        UploadNotFound: unknown, or not to be seen by ``principal``.
        """

    @abstractmethod
    async def find_watched(self, wanted: Collection[Wanted]) -> Mapping[Wanted, Upload]:
        """Of each that is wanted the newest upload shown under that id that its principal may see, by one query for
        all; where there is none the key is missing."""

    @abstractmethod
    async def received_within(self, upload_id: UploadId, wanted: ByteRange) -> Sequence[Extent]:
        """What has been recorded that has a byte in ``wanted``, as it was recorded, in order."""

    @abstractmethod
    async def settle_chunk_size(self, upload_id: UploadId, chunk_size: int) -> int | None:
        """Note the size of the upload's chunks if none is noted; return the one that is. None: no such upload."""

    @abstractmethod
    async def save(self, upload: Upload) -> None: ...

    @abstractmethod
    async def delete(self, upload_id: UploadId) -> None:
        """Forget the upload and its received ranges; nothing happens if there is none."""

    @abstractmethod
    async def follow_file(self, upload_id: UploadId, state: UploadState, now: datetime) -> None:
        """Of a completed upload whose file is deleted or over: ABORTED or EXPIRED, as which it is remembered for a
        while; COMPLETED, once that file is restored. Nothing happens if there is no such upload."""

    @abstractmethod
    async def list_open(self, principal: Principal, *, limit: int) -> Sequence[Upload]:
        """The principal's own unfinished uploads (an administrator's too: only their own), newest first."""

    @abstractmethod
    async def usage(self, owner: OwnerId) -> Usage:
        """What the owner holds, with what this unit of work has changed."""

    @abstractmethod
    async def check_usage(self, owner: OwnerId, policy: UploadPolicy) -> None:
        """Have ``policy`` check the same, at once or at the commit: what it raises is raised there, nothing is kept.

        After a change no other unit of work of the same owner is told less than the truth until this one's end. It
        costs the same however many files the owner has.
        """

    @abstractmethod
    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[Upload]:
        """Open uploads whose ``expires_at`` has passed, oldest first."""

    @abstractmethod
    async def forget_ended(self, *, before: datetime, limit: int) -> int:
        """Delete uploads that were over ``before`` and left no file, at most ``limit``; return how many."""

    @abstractmethod
    async def list_assembling(
        self, *, after: OpenPlace | None, limit: int
    ) -> tuple[Sequence[Upload], OpenPlace | None]:
        """Looks at the next ``limit`` open uploads, by when they expire: those that are ready to be completed and are
        not, as a crash leaves them; and where it stopped, None after the last one."""

    @abstractmethod
    async def open_among(self, ids: Collection[UploadId]) -> set[UploadId]:
        """Those of which an unfinished upload is known: staged bytes of the others are orphans'."""

    @abstractmethod
    async def is_known(self, upload_id: UploadId) -> bool:
        """Whether there is an upload of that id, in whatever state."""
