"""The end of files that have lasted as long as they were to, and of those in the bin that nobody has restored."""

from datetime import datetime

from application.blob_deletions import BlobDeleter
from application.clock_jumps import ClockJumps
from application.erasing import erase
from domain.file import File
from domain.ids import BlobKey
from domain.upload_state import UploadState
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

_BATCH = 200


class FileEnding:
    """``run`` may be called at any time, any number of times, in several processes."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._clock = clock
        self._jumps = ClockJumps(clock)

    async def run(self) -> int:
        """How many were ended; none right after the clock was set, as application/upkeep/cleanup.py has it."""
        now = self._clock.now()
        return 0 if self._jumps.jumped(now) else await self.end_all(now)

    async def end_all(self, now: datetime) -> int:
        ended = 0
        while True:
            async with self._unit_of_work() as work:
                due = await work.files.list_ended(now, limit=_BATCH)
            for file in due:
                ended += await self._end(file, now)
            if len(due) < _BATCH:
                return ended

    async def _end(self, file: File, now: datetime) -> bool:
        state = UploadState.EXPIRED if file.restorable_until is None else UploadState.ABORTED
        keys: list[BlobKey] = []
        async with self._unit_of_work() as work:
            if not await work.files.is_ended(file.id, now):
                return False  # restored just now, or gone
            keys = await erase(work, file.id, now, remembered_as=state)
            await work.commit()
        for key in keys:
            await self._deleter.delete_now(key)
        return True
