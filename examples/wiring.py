"""Who is made of what, in two ways: copy the one you need into your program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.ledger import MemoryReceivedLedger
from adapters.outbound.memory.lock import MemoryUploadLock
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.storage import MemoryBlobStorage, MemoryBytes, MemoryChunkStorage
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from adapters.outbound.sql.locks.lock import SqlUploadLock
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from application.cleanup import CleanupUseCase
from application.digest import DigestUseCase
from application.download import DownloadUseCase
from application.reconcile import ReconcileUseCase
from application.upload import UploadUseCase
from domain.upload_policy import UploadPolicy
from infrastructure.migrate import migrate
from ports.blob_storage import BlobStorage
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

_ORPHANS_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Longshore:
    uploads: UploadUseCase
    files: DownloadUseCase
    feed: MemoryFeed
    reconcile: ReconcileUseCase
    cleanup: CleanupUseCase

    async def housekeep(self) -> None:
        """Finish what a crash left between two steps, then end what nobody will finish; at the start and now and then.

        Raises:
            Unavailable: storage or database is away; the next call does what this one left.
        """
        await self.reconcile.run()
        await self.cleanup.run()


def in_memory() -> Longshore:
    """Nothing survives the program, nothing has to be closed."""
    clock, feed, database, memory = SystemClock(), MemoryFeed(), MemoryDatabase(), MemoryBytes()
    notifier = MemoryProgressNotifier(feed)
    outbox, storage = MemoryOutbox(database, notifier), MemoryChunkStorage(memory, clock)
    unit_of_work, blobs = MemoryUnitOfWorkFactory(database, outbox), MemoryBlobStorage(memory)
    digests = DigestUseCase(unit_of_work=unit_of_work, blobs=blobs, clock=clock)
    uploads = UploadUseCase(
        unit_of_work=unit_of_work,
        lock=MemoryUploadLock(database),
        ledger=MemoryReceivedLedger(database),
        storage=storage,
        blobs=blobs,
        digests=digests,
        notifier=notifier,
        clock=clock,
        ids=SystemIdGenerator(),
        policy=UploadPolicy(),
    )
    return Longshore(
        uploads=uploads,
        files=_downloads(unit_of_work, blobs, digests, clock),
        feed=feed,
        reconcile=ReconcileUseCase(uploads=uploads, unit_of_work=unit_of_work, outbox=outbox, clock=clock),
        cleanup=_cleanup(uploads, unit_of_work, storage, blobs, clock),
    )


@asynccontextmanager
async def on_disk(folder: Path) -> AsyncIterator[Longshore]:
    """SQLite and a folder of plain files, durable as the server is; a server may be started on them later."""
    database, volume = Database(f"sqlite+aiosqlite:///{folder / 'files.db'}"), Volume(folder / "storage")
    volume.prepare()
    await migrate(database)
    clock, feed = SystemClock(), MemoryFeed()
    notifier = MemoryProgressNotifier(feed)
    outbox, lock, ledger = SqlOutbox(database, notifier), SqlUploadLock(database, clock), SqlReceivedLedger(database)
    unit_of_work = SqlUnitOfWorkFactory(database, outbox)
    with closing(Threads("volume")) as threads:
        storage, blobs = VolumeChunkStorage(volume, threads), VolumeBlobStorage(volume, threads)
        digests = DigestUseCase(unit_of_work=unit_of_work, blobs=blobs, clock=clock)
        uploads = UploadUseCase(
            unit_of_work=unit_of_work,
            lock=lock,
            ledger=ledger,
            storage=storage,
            blobs=blobs,
            digests=digests,
            notifier=notifier,
            clock=clock,
            ids=SystemIdGenerator(),
            policy=UploadPolicy(),
        )
        try:
            yield Longshore(
                uploads=uploads,
                files=_downloads(unit_of_work, blobs, digests, clock),
                feed=feed,
                reconcile=ReconcileUseCase(uploads=uploads, unit_of_work=unit_of_work, outbox=outbox, clock=clock),
                cleanup=_cleanup(uploads, unit_of_work, storage, blobs, clock),
            )
        finally:
            for part in (lock, ledger, outbox, database):
                await part.close()


def _downloads(
    unit_of_work: UnitOfWorkFactory, blobs: BlobStorage, digests: DigestUseCase, clock: Clock
) -> DownloadUseCase:
    # Links are good until the program ends: keep the secret where they should last longer.
    signer = HmacDownloadSigner(token_bytes(32))
    return DownloadUseCase(unit_of_work=unit_of_work, blobs=blobs, digests=digests, signer=signer, clock=clock)


def _cleanup(
    uploads: UploadUseCase, unit_of_work: UnitOfWorkFactory, storage: ChunkStorage, blobs: BlobStorage, clock: Clock
) -> CleanupUseCase:
    return CleanupUseCase(
        uploads=uploads,
        unit_of_work=unit_of_work,
        storage=storage,
        blobs=blobs,
        clock=clock,
        orphans_after=_ORPHANS_AFTER,
    )
