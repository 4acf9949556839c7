"""Finishes what a crash left between two steps; safe to run at any time, any number of times."""

from dataclasses import dataclass
from datetime import timedelta

from application.upkeep.cleanup import HOUSEKEEPER
from application.upload import UploadUseCase
from domain.errors import Conflict, Gone, NotFound, Sha256Mismatch, StorageFull, StorageUnavailable
from ports.clock import Clock
from ports.outbox import Outbox
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_repository import OpenPlace

_BATCH = 1000
_LOOKED_AT = 20  # times as many uploads in one run
_ANNOUNCED_BY_NOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Reconciled:
    completed_uploads: int
    published_events: int


class ReconcileUseCase:
    """Sealed but not committed: completed. Committed but not announced: announced. Leases of dead holders are the
    lock's own affair."""

    def __init__(
        self, *, uploads: UploadUseCase, unit_of_work: UnitOfWorkFactory, outbox: Outbox, clock: Clock
    ) -> None:
        self._uploads = uploads
        self._unit_of_work = unit_of_work
        self._outbox = outbox
        self._clock = clock
        self._seen: OpenPlace | None = None

    async def run(self) -> Reconciled:
        completed = await self._complete_left()
        await self._fold_names()
        return Reconciled(completed, await self.announce())

    async def announce(self) -> int:
        """Announce what those had left to tell that died; return how many events that were. Costs next to nothing: who
        watches waits for them."""
        return await self._outbox.publish_left(older_than=self._clock.now() - _ANNOUNCED_BY_NOW)

    async def _complete_left(self) -> int:
        """Of twenty thousand open uploads at most: the next run goes on with the others."""
        completed = 0
        for _ in range(_LOOKED_AT):
            async with self._unit_of_work() as work:
                left, self._seen = await work.uploads.list_assembling(after=self._seen, limit=_BATCH)
            for upload in left:
                try:
                    view = await self._uploads.inspect(HOUSEKEEPER, upload.id)
                except (Conflict, Gone, NotFound, Sha256Mismatch, StorageUnavailable, StorageFull):
                    # Another process is at it, its bytes are gone or wrong, or can't be sealed yet: told to whoever
                    # asks.
                    continue
                completed += view.file_id is not None
            if self._seen is None:
                break
        return completed

    async def _fold_names(self) -> None:
        """Of what an older version has stored, before this one came or beside it."""
        while True:
            async with self._unit_of_work() as work:
                folded = await work.files.fold_names(limit=_BATCH)
                await work.commit()
            if folded < _BATCH:
                return
