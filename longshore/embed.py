"""Longshore inside a program: a store in memory or on a disk, and the words that a program needs to use it.

``docs/embedding.md`` is the guide; what is here by name is there to be built on. Which adapters the use cases work over
is written out below: copy it to put others in their place.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

from adapters.inbound.common.block_source import BlockSource, BodyCut, IterableSource
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
from application.views import UploadView
from domain.access import ANYBODY, STRANGER, Principal, Visibility, guest, user
from domain.byte_range import ByteRange
from domain.errors import LongshoreError, Unavailable
from domain.events import Event, UploadEvent
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import FileId, OwnerId, UploadId, file_id_of
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource

__all__ = [
    "ANYBODY",
    "STRANGER",
    "BlockSource",
    "BodyCut",
    "ByteRange",
    "ByteSource",
    "Core",
    "Event",
    "File",
    "FileDraft",
    "FileId",
    "IterableSource",
    "Longshore",
    "LongshoreError",
    "Outside",
    "OwnerId",
    "Principal",
    "Unavailable",
    "UploadEvent",
    "UploadId",
    "UploadPolicy",
    "UploadView",
    "Visibility",
    "core_of",
    "file_id_of",
    "guest",
    "in_memory",
    "on_disk",
    "user",
]


@dataclass(frozen=True, slots=True)
class Longshore:
    """The use cases, the feed that tells what becomes of uploads, and two shortcuts for whole files."""

    core: Core
    feed: MemoryFeed
    policy: UploadPolicy

    async def put(
        self,
        who: Principal,
        name: str,
        content: bytes | Iterable[bytes] | AsyncIterator[bytes],
        *,
        media_type: str | None = None,
    ) -> File:
        """Store a whole file; what is to be resumed goes by ``core.uploads``.

        Raises:
            LongshoreError: too large, no room, …; nothing is kept.
            BodyCut: ``content`` broke off; nothing is kept.
        """
        blocks = [content] if isinstance(content, bytes) else content
        draft = FileDraft.of(filename=name, media_type=media_type)
        view = await self.core.uploads.store(who, draft, source=IterableSource(blocks))
        if view is None:
            raise BodyCut("the content broke off")
        return await self.core.downloads.describe(who, file_id_of(view.id))

    async def read(self, who: Principal, file_id: FileId) -> AsyncIterator[bytes]:
        """The content of a file, a block at a time.

        Raises:
            LongshoreError: no such file, or not theirs.
        """
        opened = await self.core.downloads.open(who, file_id)
        try:
            if opened.file.size:
                async for block in opened.blob.blocks(ByteRange(0, opened.file.size)):
                    yield block
        finally:
            await opened.blob.close()

    async def housekeep(self) -> None:
        """Finish what a crash left between two steps, end what nobody will finish, read the SHA-256 of what has come;
        at the start and now and then.

        Raises:
            Unavailable: storage or database is away; the next call does what this one left.
        """
        await self.core.reconcile.run()
        await self.core.cleanup.run()
        await self.core.digests.run()

    async def keep_house(self, *, every_seconds: float = 1800.0) -> None:
        """``housekeep`` again and again: as a task, as long as the program runs."""
        while True:
            with suppress(Unavailable):
                await self.housekeep()
            await asyncio.sleep(every_seconds)


def in_memory(*, policy: UploadPolicy | None = None) -> Longshore:
    """Nothing survives the program, nothing has to be closed; pydantic is all that it needs.

    ``policy``: how large, how long, how many; else as a server without settings has it.
    """
    policy = policy or UploadPolicy()
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
        signer=HmacDownloadSigner(token_bytes(32)),
        clock=clock,
        ids=SystemIdGenerator(),
    )
    return Longshore(core_of(outside, policy=policy), feed, policy)


@asynccontextmanager
async def on_disk(folder: str | Path, *, policy: UploadPolicy | None = None) -> AsyncIterator[Longshore]:
    """SQLite and a folder of plain files, durable as the server is; a server may be started on them later, or beside.

    Only this way needs more than pydantic (docs/embedding.md), so its imports are here.
    """
    from adapters.outbound.sql.database import Database
    from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
    from adapters.outbound.sql.locks.lock import SqlUploadLock
    from adapters.outbound.sql.repositories.outbox import SqlOutbox
    from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
    from adapters.outbound.system.room import DiskRoom
    from adapters.outbound.volume.blob_storage import VolumeBlobStorage
    from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
    from adapters.outbound.volume.threads import Threads
    from adapters.outbound.volume.volume import Volume
    from infrastructure.link_secret import link_secret
    from infrastructure.migrate import migrate

    folder, policy = Path(folder), policy or UploadPolicy()
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
            signer=HmacDownloadSigner(link_secret(folder, None)),
            clock=clock,
            ids=SystemIdGenerator(),
            room=DiskRoom([folder / "storage"], [folder]),
        )
        core = core_of(outside, policy=policy)
        try:
            yield Longshore(core, feed, policy)
        finally:
            for part in (core.progress, lock, ledger, outbox, database):
                await part.close()
