"""A volume: a folder of plain files, on one filesystem."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from dependency_injector import providers

from adapters.outbound.sql.database import Database
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_intake import VolumeChunkIntake
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.file_intake import VolumeFileIntake
from adapters.outbound.volume.medium import VolumeMedium
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume, WrongVolume, translated
from adapters.outbound.volume.writing.writer import ChunkWriter
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.storages.belonging import Marked, NotOurs, settle
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
        ChunkWriter,
        volume,
        durability,
        providers.Callable(recorder, DatabaseParts.database),
        on_commit=ObservingParts.metrics.provided.committed,
    )
    volume_chunks = providers.Singleton(VolumeChunkStorage, volume, threads, durability=durability, writer=chunk_writer)
    volume_blobs = providers.Singleton(VolumeBlobStorage, volume, threads, durability=durability)
    volume_medium = providers.Singleton(VolumeMedium, volume)
    volume_intake = providers.Singleton(
        VolumeChunkIntake,
        volume_chunks,
        DatabaseParts.ledger,
        writer=chunk_writer,
        turn=DatabaseParts.database.provided.turns,
    )
    volume_file_intake = providers.Singleton(
        VolumeFileIntake,
        volume_chunks,
        EventsParts.file_records,
        writer=chunk_writer,
        turn=DatabaseParts.database.provided.turns,
    )


@asynccontextmanager
async def _opened(parts: VolumeParts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        stack.callback(parts.volume_chunks().close)
        stack.callback(parts.threads().close)
        stack.push_async_callback(parts.chunk_writer().close)
        root = parts.volume().root
        moving = f"copy all that is in the old folder, .longshore too: cp -a OLD/. {root}/"
        try:
            with starting():
                await settle(parts.installation(), _Place(parts.volume()), called="volume", moving=moving)
        except (WrongVolume, NotOurs) as error:
            raise CannotStart(f"STORAGE_PATH: {root} {error}") from error
        yield


class _Place(Marked):
    """A volume; at a start nobody minds that the disk is waited for."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    async def identify(self) -> str | None:
        with translated():
            return self._volume.identify()

    async def prepare(self) -> str:
        return self._volume.prepare()


VOLUME = Storage(
    form="volume://<folder>",
    reads=_reads,
    parts=VolumeParts,
    chunks=VolumeParts.volume_chunks,
    blobs=VolumeParts.volume_blobs,
    medium=VolumeParts.volume_medium,
    intake=VolumeParts.volume_intake,
    file_intake=VolumeParts.volume_file_intake,
    opened=_opened,
)
