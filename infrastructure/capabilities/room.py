"""How much of a disk stays free, for what has to go on when it is full: deletions, cleanup, the database."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dependency_injector import providers

from adapters.outbound.sql.database import Database
from adapters.outbound.system.disks import Disk, figures_of
from adapters.outbound.system.room import DiskRoom
from domain.finding import Finding, ok, problem
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.storage import StorageVariables
from infrastructure.capability import Capability, Parts, of
from infrastructure.chores import Chore
from infrastructure.setting_values import Size

_LOOK_SECONDS = 15.0


class RoomVariables(StorageVariables):
    min_free_space: Size = 256 * 1024**2

    @property
    def told_free_space(self) -> int | None:
        """None where nobody has told one: then a small disk's is less."""
        return self.min_free_space if "min_free_space" in self.model_fields_set else None

    @property
    def filled_folders(self) -> Sequence[Path]:
        """Where the bytes of uploads go."""
        return [self.storage_path] if self.storage_scheme == "volume" else []


def _beside(data_dir: Path, database: Database) -> Sequence[Path]:
    """For records, and for chunks that wait for their form's fields."""
    return [data_dir, Path(database.sqlite_path).parent] if database.is_sqlite else [data_dir]


class RoomParts(Parts):
    room = providers.Singleton(
        DiskRoom,
        of.filled_folders,
        providers.Callable(_beside, of.data_dir, DatabaseParts.database),
        least=of.told_free_space,
        ballast=DatabaseParts.database.provided.reserve,
    )


@asynccontextmanager
async def _opened(parts: RoomParts, _: RoomVariables) -> AsyncIterator[None]:
    await parts.room().look()
    yield


def _chores(parts: RoomParts, _: RoomVariables) -> Iterable[Chore]:
    yield Chore(work=parts.room().look, seconds=_LOOK_SECONDS)


def _findings(settings: RoomVariables) -> Iterable[Finding]:
    for folder in {settings.data_dir, *settings.filled_folders}:
        if (disk := _disk_of(folder)) is not None:
            yield _finding(disk, folder, settings.told_free_space)


def _disk_of(folder: Path) -> Disk | None:
    """Also where it is still to be made."""
    return next((disk for place in (folder, *folder.parents) if (disk := figures_of(place))), None)


def _finding(disk: Disk, folder: Path, told: int | None) -> Finding:
    if disk.left(told) < 0:
        mebibytes, least = disk.free // 1024**2, disk.least(told) // 1024**2
        return problem(f"only {mebibytes} MiB are free for {folder}, less than {least} (MIN_FREE_SPACE)")
    return ok(f"{disk.free / 1024**3:.1f} GiB are free for {folder}")


ROOM = Capability(
    variables=RoomVariables,
    parts=[RoomParts],
    opened=_opened,
    chores=_chores,
    findings=_findings,
)
