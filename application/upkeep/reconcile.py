"""Finishes what a crash left between two steps; safe to run at any time, any number of times."""

from dataclasses import dataclass
from datetime import timedelta

from application.upkeep.cleanup import HOUSEKEEPER
from application.upload import UploadUseCase
from domain.errors import Conflict, Gone, NotFound, Sha256Mismatch, StorageFull, StorageUnavailable
from ports.clock import Clock
from ports.outbox import Outbox
from ports.unit_of_work import UnitOfWorkFactory

_BATCH = 1000
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

    async def run(self) -> Reconciled:
        completed = 0
        async with self._unit_of_work() as work:
            left = await work.uploads.list_assembling(limit=_BATCH)
        for upload in left:
            try:
                view = await self._uploads.inspect(HOUSEKEEPER, upload.id)
            except (Conflict, Gone, NotFound, Sha256Mismatch, StorageUnavailable, StorageFull):
                # Another process is at it, its bytes are gone or wrong, or can't be sealed yet: told to whoever asks.
                continue
            completed += view.file_id is not None
        await self._fold_names()
        return Reconciled(completed, await self.announce())

    async def announce(self) -> int:
        """Announce what those had left to tell that died; return how many events that were. Costs next to nothing: who
        watches waits for them."""
        return await self._outbox.publish_left(older_than=self._clock.now() - _ANNOUNCED_BY_NOW)

    async def _fold_names(self) -> None:
        """Of what an older version has stored, before this one came or beside it."""
        while True:
            async with self._unit_of_work() as work:
                folded = await work.files.fold_names(limit=_BATCH)
                await work.commit()
            if folded < _BATCH:
                return
