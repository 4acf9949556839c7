"""Ends what nobody will finish or miss: expired uploads and files, staged bytes that no upload owns, bytes of deleted
files that are still there; forgets what has ended, and what owners were notified of."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.blob_deletions import BlobDeleter
from application.clock_jumps import ClockJumps
from application.file import FileEnding
from application.upload import UploadUseCase
from domain.access import Principal
from domain.errors import Conflict, Gone, LongshoreError, NotFound, StorageUnavailable
from domain.ids import OwnerId, UploadId, blob_key_of
from domain.webhook import DELIVERY
from ports.blob_storage import BlobStorage
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_BATCH = 200
_FORESEEN = 1000
_LOOKED_UP_AT_ONCE = 500
# Each may have a thousand received ranges, which go in the same transaction; acknowledgements wait for it on SQLite.
_FORGOTTEN_AT_ONCE = 50
_LEAST_MEMORY = timedelta(hours=24)
_NOTIFICATIONS_KEPT = timedelta(hours=24)
_DELIVERIES_KEPT = timedelta(days=30)  # those that were given up, and those to an endpoint that is named no more
HOUSEKEEPER = Principal(OwnerId("housekeeper"), is_admin=True)


@dataclass(frozen=True, slots=True)
class Cleaned:
    expired_uploads: int
    orphans: int
    forgotten_uploads: int = 0
    deleted_blobs: int = 0
    forgotten_notifications: int = 0
    forgotten_deliveries: int = 0
    ended_files: int = 0


class CleanupUseCase:
    """``run`` may be called at any time, any number of times, in several processes.

    What one step of it can't do, for storage is away or the disk full, keeps none of the others; it is raised then.
    """

    def __init__(
        self,
        *,
        uploads: UploadUseCase,
        unit_of_work: UnitOfWorkFactory,
        storage: ChunkStorage,
        blobs: BlobStorage,
        clock: Clock,
        orphans_after: timedelta,
        ended_after: timedelta = _LEAST_MEMORY,
    ) -> None:
        """``ended_after``: how long an upload that left no file can still be told from one that never was; a day
        at least."""
        self._uploads = uploads
        self._unit_of_work = unit_of_work
        self._storage = storage
        self._blobs = blobs
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._ending = FileEnding(unit_of_work=unit_of_work, blobs=blobs, clock=clock)
        self._clock = clock
        self._orphans_after = orphans_after
        self._ended_after = max(ended_after, _LEAST_MEMORY)
        self._jumps = ClockJumps(clock)

    async def run(self) -> Cleaned:
        now = self._clock.now()
        if self._jumps.jumped(now):
            # A clock set forward would end every upload at once; the next run, by a steady clock, will tell.
            return Cleaned(0, 0)
        failures: list[LongshoreError] = []

        async def tried(step: Awaitable[int]) -> int:
            try:
                return await step
            except LongshoreError as error:
                failures.append(error)
                return 0

        cleaned = Cleaned(
            expired_uploads=await tried(self._expire(now)),
            ended_files=await tried(self._ending.end_all(now)),
            forgotten_uploads=await tried(
                self._forget(
                    lambda work: work.uploads.forget_ended(before=now - self._ended_after, limit=_FORGOTTEN_AT_ONCE),
                    at_once=_FORGOTTEN_AT_ONCE,
                )
            ),
            forgotten_notifications=await tried(
                self._forget(
                    lambda work: work.notifications.forget(before=now - _NOTIFICATIONS_KEPT, limit=_BATCH),
                    at_once=_BATCH,
                )
            ),
            forgotten_deliveries=await tried(
                self._forget(
                    lambda work: work.jobs.forget_old(DELIVERY, before=now - _DELIVERIES_KEPT, limit=_BATCH),
                    at_once=_BATCH,
                )
            ),
            # What was noted just now is its own process's, and some may be read from a bucket yet.
            deleted_blobs=await tried(self._deleter.delete_left(noted_before=now - self._orphans_after)),
            orphans=await tried(self._discard_orphans(now)),
        )
        if failures:
            raise failures[0]
        return cleaned

    async def foresee(self) -> Cleaned:
        """What ``run`` would do now, counted up to a thousand of each; nothing is changed."""
        now = self._clock.now()
        orphans = 0
        async for some in self._ownerless(now):
            orphans += len(some)
        async with self._unit_of_work() as work:  # left without a commit
            before = now - self._orphans_after
            return Cleaned(
                expired_uploads=len(await work.uploads.list_expired(now, limit=_FORESEEN)),
                ended_files=len(await work.files.list_ended(now, limit=_FORESEEN)),
                deleted_blobs=len(await work.blob_deletions.list_left(before=before, after=None, limit=_FORESEEN)),
                orphans=orphans,
                forgotten_uploads=await work.uploads.forget_ended(before=now - self._ended_after, limit=_FORESEEN),
                forgotten_notifications=await work.notifications.forget(
                    before=now - _NOTIFICATIONS_KEPT, limit=_FORESEEN
                ),
                forgotten_deliveries=await work.jobs.forget_old(
                    DELIVERY, before=now - _DELIVERIES_KEPT, limit=_FORESEEN
                ),
            )

    async def _expire(self, now: datetime) -> int:
        expired = 0
        while True:
            async with self._unit_of_work() as work:
                due = await work.uploads.list_expired(now, limit=_BATCH)
            ended = 0
            for upload in due:
                try:
                    ended += await self._uploads.expire(HOUSEKEEPER, upload.id)
                except (Conflict, Gone, NotFound):
                    continue  # somebody is at it right now: let them
                except StorageUnavailable:
                    continue  # it is over, its bytes are an orphan's from now on
            expired += ended
            if len(due) < _BATCH or not ended:
                return expired

    async def _discard_orphans(self, now: datetime) -> int:
        discarded = 0
        async for some in self._ownerless(now):
            for upload_id in some:
                try:
                    await self._discard(upload_id, now)
                    discarded += 1
                except StorageUnavailable:
                    continue  # this one stays for the next run; the rest need not wait for it
        return discarded

    async def _ownerless(self, now: datetime) -> AsyncIterator[Sequence[UploadId]]:
        """What is staged of no open upload, and has been for long: nobody opens one of its name any more."""
        some: list[UploadId] = []
        async for staged in self._storage.staged():
            if now - staged.modified_at >= self._orphans_after:
                some.append(staged.upload_id)
            if len(some) == _LOOKED_UP_AT_ONCE:
                yield await self._without_upload(some)
                some = []
        yield await self._without_upload(some)

    async def _without_upload(self, ids: Sequence[UploadId]) -> Sequence[UploadId]:
        async with self._unit_of_work() as work:
            open_ = await work.uploads.open_among(ids) if ids else set()
        return [id_ for id_ in ids if id_ not in open_]

    async def _discard(self, upload_id: UploadId, now: datetime) -> None:
        async with self._unit_of_work() as work:
            if not await work.uploads.is_known(upload_id) and await self._has_blob(upload_id):
                # A whole file whose commit never came has its blob's name already (ports/file_intake.py).
                await work.blob_deletions.add(blob_key_of(upload_id), now)
                await work.commit()
        await self._storage.discard(upload_id)

    async def _has_blob(self, upload_id: UploadId) -> bool:
        try:
            blob = await self._blobs.open(blob_key_of(upload_id))
        except Gone:
            return False
        await blob.close()
        return True

    async def _forget(self, some: Callable[[UnitOfWork], Awaitable[int]], *, at_once: int) -> int:
        """``some``: forgets so many at once, if there are as many."""
        forgotten = 0
        while True:
            async with self._unit_of_work() as work:
                count = await some(work)
                await work.commit()
            forgotten += count
            if count < at_once:
                return forgotten
