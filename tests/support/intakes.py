"""A chunk intake and a file intake of each technology, with the storage and the store that all turns up in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from adapters.outbound.memory.chunk_intake import MemoryChunkIntake
from adapters.outbound.memory.file_intake import MemoryFileIntake
from adapters.outbound.memory.storage import MemoryBlobStorage, MemoryBytes, MemoryChunkStorage
from adapters.outbound.sql.ledger.file_records import SqlFileRecords
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_intake import VolumeChunkIntake
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.file_intake import VolumeFileIntake
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.writer import PATIENCE, ChunkWriter, Patience
from domain.job import JobsOf, nothing_to_do
from domain.upload import Upload
from domain.upload_state import UploadState
from infrastructure.capabilities.storages.volume import recorder
from ports.chunk_intake import ChunkIntake
from ports.file_intake import FileIntake
from ports.upload_lock import Lease
from tests.contract.suites.storages import Storages
from tests.contract.suites.stores import added
from tests.support.builders import a_receipt, an_upload
from tests.support.stores import Process, Store


@dataclass
class Intake:
    """What one server process would have of it. ``writer``: the process beside it, if the technology has one."""

    adapter: ChunkIntake
    files: FileIntake
    storages: Storages
    process: Process
    writer: ChunkWriter | None = None

    async def upload(self, *, length: int = 10**9) -> Upload:
        return await added(self.process, an_upload(length=length, state=UploadState.RECEIVING))

    async def take(self, upload: Upload, lease: Lease, data: bytes, *, at: int = 0) -> None:
        """With a receipt that tells of nothing else."""
        extent = self.adapter.extent(at, data)
        receipt = a_receipt(upload, extent.range.start, extent.range.end, extent.crc64)
        await self.adapter.take(receipt, lease, at=at, data=data)

    async def send(self, upload: Upload, data: bytes, *, size: int) -> None:
        """One chunk after the other."""
        async with self.process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
            for at in range(0, len(data), size):
                await self.take(upload, lease, data[at : at + size], at=at)

    async def warm_up(self) -> None:
        """Have the process beside ours started, where there is one."""
        while self.writer is not None and not self.writer.is_ready:
            uploads = [await self.upload() for _ in range(8)]
            await asyncio.gather(*(self.send(upload, b"warm", size=4) for upload in uploads))


async def intakes_of(
    kind: str, folder: Path, url: str | None, *, patience: Patience = PATIENCE, jobs_of: JobsOf = nothing_to_do
) -> AsyncIterator[Intake]:
    """One of ``memory``, or of ``volume`` with the database at ``url``; yields once, for use in a fixture."""
    async with AsyncExitStack() as stack:
        store = Store(url)
        await store.create()
        stack.push_async_callback(store.close)
        process = store.process(jobs_of=jobs_of)
        if kind == "memory":
            memory = MemoryBytes()
            chunks, blobs = MemoryChunkStorage(memory, SystemClock()), MemoryBlobStorage(memory)
            files: FileIntake = MemoryFileIntake(memory, process.unit_of_work)
            yield Intake(MemoryChunkIntake(chunks, process.ledger), files, Storages(chunks, blobs), process)
            return
        assert process.database is not None
        volume, threads = Volume(folder / "volume"), Threads("test-volume")
        volume.prepare()
        writer = ChunkWriter(volume, Durability.ACK, recorder(process.database), patience=patience)
        staging = VolumeChunkStorage(volume, threads, writer=writer)
        volume_blobs = VolumeBlobStorage(volume, threads)
        stack.callback(staging.close)
        stack.callback(threads.close)
        stack.push_async_callback(writer.close)
        intake = VolumeChunkIntake(staging, process.ledger, writer=writer, turn=process.database.turns)
        assert isinstance(process.unit_of_work, SqlUnitOfWorkFactory) and isinstance(process.outbox, SqlOutbox)
        records = SqlFileRecords(process.database, process.unit_of_work, process.outbox)
        stack.push_async_callback(records.close)
        files = VolumeFileIntake(staging, records, writer=writer, turn=process.database.turns)
        yield Intake(intake, files, Storages(staging, volume_blobs), process, writer)
