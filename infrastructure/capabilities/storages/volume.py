"""A volume: a folder of plain files, on one filesystem."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from dependency_injector import providers

from adapters.outbound.sql.database import Database
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_intake import VolumeChunkIntake
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.medium import VolumeMedium
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume, WrongVolume, translated
from adapters.outbound.volume.writing.writer import ChunkWriter
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.storages.storage import Storage
from infrastructure.capability import CannotStart, of, starting


def _reads(text: str) -> bool:
    folder = text.removeprefix("volume://")
    return folder != text and bool(folder.strip("/"))


def recorder(database: Database) -> tuple[str, ...] | None:
    """The program of the process that writes small chunks, if it can record them: where the ledger is a file, too."""
    if not database.is_sqlite:
        return None
    durable = "--durable" if database.durable else "--no-durable"
    return ("infrastructure.recording_writer", "--database", str(Path(database.sqlite_path).absolute()), durable)


class VolumeParts(DatabaseParts):
    volume = providers.Singleton(Volume, of.storage_path)
    threads = providers.Singleton(Threads, "volume")
    durability = providers.Callable(Durability, of.durability)
    chunk_writer = providers.Singleton(
        ChunkWriter, volume, durability, providers.Callable(recorder, DatabaseParts.database)
    )
    volume_chunks = providers.Singleton(VolumeChunkStorage, volume, threads, durability=durability, writer=chunk_writer)
    volume_blobs = providers.Singleton(VolumeBlobStorage, volume, threads)
    volume_medium = providers.Singleton(VolumeMedium, volume)
    volume_intake = providers.Singleton(
        VolumeChunkIntake,
        volume_chunks,
        DatabaseParts.ledger,
        writer=chunk_writer,
        turn=DatabaseParts.database.provided.turns,
    )


@asynccontextmanager
async def _opened(parts: VolumeParts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        stack.callback(parts.volume_chunks().close)
        stack.callback(parts.threads().close)
        stack.push_async_callback(parts.chunk_writer().close)
        try:
            with starting():
                await _prepare_volume(parts)
        except WrongVolume as error:
            raise CannotStart(f"STORAGE_PATH: {parts.volume().root} {error}") from error
        yield


async def _prepare_volume(parts: VolumeParts) -> None:
    """Lay out a volume for a new database; one that has a volume already gets that one or none.

    A wrong folder would answer 410 for every file, and take new ones where nobody looks for them. Nothing is
    written into it: it may be a mount point whose volume is away.
    """
    installation, volume = parts.installation(), parts.volume()
    known = await installation.storage_id()
    if known is None:
        known = await installation.remember_storage(volume.prepare())
    with translated():
        found = volume.identify()
    if found != known:
        raise WrongVolume("is not this database's volume: a wrong folder is mounted, or a wrong database named")


VOLUME = Storage(
    form="volume://<folder>",
    reads=_reads,
    parts=VolumeParts,
    chunks=VolumeParts.volume_chunks,
    blobs=VolumeParts.volume_blobs,
    medium=VolumeParts.volume_medium,
    intake=VolumeParts.volume_intake,
    opened=_opened,
)
