"""Which adapters the use cases work over, in two ways: copy the one you need into your program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
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
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from application.core import Core, Outside, core_of


@dataclass(frozen=True, slots=True)
class Longshore:
    """The use cases, and the feed that tells what becomes of uploads."""

    core: Core
    feed: MemoryFeed

    async def housekeep(self) -> None:
        """Finish what a crash left between two steps, end what nobody will finish, read the SHA-256 of what has come;
        at the start and now and then.

        Raises:
            Unavailable: storage or database is away; the next call does what this one left.
        """
        await self.core.reconcile.run()
        await self.core.cleanup.run()
        await self.core.digests.run()


def in_memory() -> Longshore:
    """Nothing survives the program, nothing has to be closed."""
    clock, feed, database, memory = SystemClock(), MemoryFeed(), MemoryDatabase(), MemoryBytes()
    notifier = MemoryProgressNotifier(feed)
    outbox = MemoryOutbox(database, notifier)
    outside = Outside(
        unit_of_work=MemoryUnitOfWorkFactory(database, outbox),
        lock=MemoryUploadLock(database),
        ledger=MemoryReceivedLedger(database),
        outbox=outbox,
        chunks=MemoryChunkStorage(memory, clock),
        blobs=MemoryBlobStorage(memory),
        notifier=notifier,
        feed=feed,
        signer=_signer(),
        clock=clock,
        ids=SystemIdGenerator(),
    )
    return Longshore(core_of(outside), feed)


@asynccontextmanager
async def on_disk(folder: Path) -> AsyncIterator[Longshore]:
    """SQLite and a folder of plain files, durable as the server is; a server may be started on them later.

    Only this way needs more than pydantic (docs/embedding.md), so its imports are here.
    """
    from adapters.outbound.sql.database import Database
    from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
    from adapters.outbound.sql.locks.lock import SqlUploadLock
    from adapters.outbound.sql.repositories.outbox import SqlOutbox
    from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
    from adapters.outbound.volume.blob_storage import VolumeBlobStorage
    from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
    from adapters.outbound.volume.threads import Threads
    from adapters.outbound.volume.volume import Volume
    from infrastructure.migrate import migrate

    database, volume = Database(f"sqlite+aiosqlite:///{folder / 'files.db'}"), Volume(folder / "storage")
    volume.prepare()
    await migrate(database)
    clock, feed = SystemClock(), MemoryFeed()
    notifier = MemoryProgressNotifier(feed)
    outbox, lock, ledger = SqlOutbox(database, notifier), SqlUploadLock(database, clock), SqlReceivedLedger(database)
    with closing(Threads("volume")) as threads:
        outside = Outside(
            unit_of_work=SqlUnitOfWorkFactory(database, outbox),
            lock=lock,
            ledger=ledger,
            outbox=outbox,
            chunks=VolumeChunkStorage(volume, threads),
            blobs=VolumeBlobStorage(volume, threads),
            notifier=notifier,
            feed=feed,
            signer=_signer(),
            clock=clock,
            ids=SystemIdGenerator(),
        )
        core = core_of(outside)
        try:
            yield Longshore(core, feed)
        finally:
            for part in (core.progress, lock, ledger, outbox, database):
                await part.close()


def _signer() -> HmacDownloadSigner:
    """Links are good until the program ends: keep the secret where they should last longer."""
    return HmacDownloadSigner(token_bytes(32))
