"""``starter.py doctor``: looks whether everything is in order, changes nothing.

It may run beside a server. A problem is what somebody should look at, not what mends itself.
"""

import asyncio
import hashlib
import os
import shutil
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from awscrt.checksums import crc64nvme
from sqlalchemy import Connection, RowMapping, func, select, text

from adapters.outbound.sql.crc64 import unsigned
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.tables import IS_OPEN, blob_deletions, files, installation, uploads
from adapters.outbound.volume.volume import OPEN_FLAGS, Volume
from domain.errors import LongshoreError
from domain.ids import BlobKey
from domain.size import format_size
from infrastructure.findings import Finding, Medium
from infrastructure.setting_values import mask_secrets
from infrastructure.settings import Settings

_MIGRATIONS = Path(__file__).parent / "migrations"
_FEW_BYTES = 256 * 1024**2
_FEW_FILES = 1000
_PAGE = 500
_NAMED = 10  # of problems of one kind so many are named, the rest are counted
_BLOCK = 8 * 1024**2


def _ok(text: str) -> Finding:
    return Finding(True, text)


def _problem(text: str) -> Finding:
    return Finding(False, text)


async def examine(settings: Settings, *, scrub: bool = False) -> AsyncGenerator[Finding, None]:
    """Everything there is to say, one finding at a time; ``scrub`` also reads every byte of every file."""
    for finding in [*_settings(settings), *_data_folder(settings)]:
        yield finding
    async with _medium_of(settings) as medium:
        async for finding in medium.findings():
            yield finding
        if not settings.is_postgres and not _sqlite_file(settings).exists():
            yield _problem("the database does not exist yet: migrate or serve makes it")
            return
        database = Database(settings.database_url)
        try:
            async for finding in _examine_database(database, medium, settings, scrub=scrub):
                yield finding
        finally:
            await database.close()


def _medium_of(settings: Settings) -> AbstractAsyncContextManager[Medium]:
    if settings.bucket:
        from infrastructure.doctor_bucket import examined_bucket  # noqa: PLC0415 -- a volume needs none of it

        return examined_bucket(settings.bucket)
    return nullcontext(ExaminedVolume(settings.storage_path))


class ExaminedVolume(Medium):
    def __init__(self, root: Path) -> None:
        self._volume = Volume(root)
        self.id: str | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        for finding in [*_space(self._volume.root), *_volume(self._volume)]:
            yield finding
            self.id = self._volume.identify() if finding.good else None

    async def staged(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        async for some in _old_entries_below(self._volume.staged, before):
            yield some

    async def blobs(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        async for some in _old_entries_below(self._volume.blobs, before):
            yield some

    async def wrong_with(self, row: RowMapping, *, scrub: bool) -> str:
        return await asyncio.to_thread(_wrong_with, row, self._volume, scrub)


async def _examine_database(
    database: Database, medium: Medium, settings: Settings, *, scrub: bool
) -> AsyncIterator[Finding]:
    began = time.monotonic()
    try:
        await database.check()
    except LongshoreError as error:
        yield _problem(f"{error.detail}: {mask_secrets(str(error.__cause__ or 'no answer')).splitlines()[0]}")
        return
    yield _ok(f"the database answers within {(time.monotonic() - began) * 1000:.0f} ms")
    revision = await _revision(database)
    yield revision
    if not revision.good or medium.id is None:
        return
    yield await _belongs(database, medium.id)
    before = datetime.now(UTC) - settings.cleanup_after
    yield await _leftovers(database, medium.staged(before))
    yield await _deletions(database, before)
    yield await _strays(database, medium.blobs(before))
    async for finding in _blobs(database, medium, scrub=scrub):
        yield finding


def _settings(settings: Settings) -> Sequence[Finding]:
    return [_problem(warning) for warning in settings.warnings] or [_ok("the settings are sound")]


def _data_folder(settings: Settings) -> Sequence[Finding]:
    folder = settings.data_dir
    if not folder.is_dir():
        return [_problem(f"there is no folder {folder} yet: serve makes it")]
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        return [_problem(f"anybody on this machine may write in {folder}: chmod o-w")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [_problem(f"no right to read and write in {folder}")]
    return [_ok(f"the data folder {folder} is ours to write")]


def _space(folder: Path) -> Sequence[Finding]:
    place = next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
    free = shutil.disk_usage(place).free
    figures = os.statvfs(place)
    if free < _FEW_BYTES:
        return [_problem(f"only {free // 1024**2} MiB are free for {folder}")]
    if figures.f_files and figures.f_favail < _FEW_FILES:
        return [_problem(f"only {figures.f_favail} more files fit where {folder} is (inodes)")]
    return [_ok(f"{free / 1024**3:.1f} GiB are free for uploads")]


def _volume(volume: Volume) -> Sequence[Finding]:
    if not volume.root.is_dir():
        return [_problem(f"there is no volume in {volume.root} yet: serve lays it out")]
    try:
        volume.check()
    except LongshoreError as error:
        return [_problem(f"the volume {volume.root}: {error.detail}")]
    open_ones = [
        folder.name
        for folder in (volume.root, volume.staged, volume.blobs)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077
    ]
    if open_ones:
        return [_problem(f"others on this machine may look into {', '.join(open_ones)}: chmod -R go= {volume.root}")]
    return [_ok(f"the volume {volume.root} has its marker and takes bytes")]


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite+aiosqlite:///").partition("?")[0])


async def _revision(database: Database) -> Finding:
    script = ScriptDirectory(str(_MIGRATIONS))
    wanted = set(script.get_heads())

    def current(connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    found = await database.read(current)
    if found == wanted:
        return _ok(f"the database has the newest tables ({', '.join(sorted(found))})")
    if found and not found <= {revision.revision for revision in script.walk_revisions()}:
        return _ok(f"the database's tables ({', '.join(sorted(found))}) are newer than this program: it can use them")
    return _problem(
        f"the database is at revision {', '.join(sorted(found)) or 'none'},"
        f" this program wants {', '.join(sorted(wanted))}: migrate"
    )


async def _belongs(database: Database, volume_id: str) -> Finding:
    async with database.transaction() as transaction:
        rows = await transaction.read(select(installation.c.value).where(installation.c.key == "volume"))
    if not rows:
        return _ok("the database has not met its storage yet")
    if rows[0]["value"] != volume_id:
        return _problem("the database belongs to another volume: a wrong folder is mounted, or a wrong database named")
    return _ok("storage and database belong together")


async def _leftovers(database: Database, staged: AsyncIterator[Mapping[str, int]]) -> Finding:
    """Staged bytes whose upload is over or was never known. Young ones may be in somebody's hands."""

    async def owned(ids: Sequence[str]) -> set[str]:
        async with database.transaction() as transaction:
            rows = await transaction.read(select(uploads.c.id).where(uploads.c.id.in_(ids), text(IS_OPEN)))
        return {row["id"] for row in rows}

    count, size = await _count_unowned(staged, owned)
    if count:
        return _problem(f"{count} staged uploads ({format_size(size)} bytes) belong to nobody: cleanup removes them")
    return _ok("every staged upload is somebody's")


async def _strays(database: Database, blobs: AsyncIterator[Mapping[str, int]]) -> Finding:
    """Sealed bytes that no file and no unfinished upload speaks of, and that nobody knows are to be deleted."""

    async def owned(keys: Sequence[str]) -> set[str]:
        async with database.transaction() as transaction:
            kept = await transaction.read(select(files.c.blob_key).where(files.c.blob_key.in_(keys)))
            going = await transaction.read(select(blob_deletions.c.blob_key).where(blob_deletions.c.blob_key.in_(keys)))
            coming = await transaction.read(select(uploads.c.id).where(uploads.c.id.in_(keys), text(IS_OPEN)))
        return {row["blob_key"] for row in (*kept, *going)} | {row["id"] for row in coming}

    count, size = await _count_unowned(blobs, owned)
    if count:
        return _problem(f"{count} sealed blobs ({format_size(size)} bytes) belong to no file")
    return _ok("every sealed blob is a file's")


async def _deletions(database: Database, before: datetime) -> Finding:
    """Blobs that should be gone by now. What was deleted just now may be another process's work."""
    async with database.transaction() as transaction:
        left = select(func.count().label("count")).where(blob_deletions.c.created_at < before)
        [row] = await transaction.read(left)
    if count := row["count"]:
        return _problem(f"{count} blobs were to be deleted and could not be: cleanup deletes them")
    return _ok("what was deleted is gone")


async def _count_unowned(
    held: AsyncIterator[Mapping[str, int]], owned: Callable[[Sequence[str]], Awaitable[set[str]]]
) -> tuple[int, int]:
    count = size = 0
    async for some in held:
        names = sorted(some)
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            known = await owned(page)
            count += sum(name not in known for name in page)
            size += sum(some[name] for name in page if name not in known)
    return count, size


async def _old_entries_below(folder: Path, before: datetime) -> AsyncIterator[Mapping[str, int]]:
    for shard in await asyncio.to_thread(lambda: sorted(shard for shard in folder.iterdir() if shard.is_dir())):
        yield await asyncio.to_thread(_old_entries, shard, before.timestamp())


def _old_entries(shard: Path, before: float) -> dict[str, int]:
    held = {}
    with os.scandir(shard) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_mtime < before:
                held[entry.name] = status.st_size
    return held


async def _blobs(database: Database, medium: Medium, *, scrub: bool) -> AsyncIterator[Finding]:
    count = bad = unknown = 0
    async for row in _all_files(database):
        count += 1
        wrong = await medium.wrong_with(row, scrub=scrub)
        if wrong and await _still_kept(database, row["id"]):
            bad += 1
            if bad <= _NAMED:
                yield _problem(f"file {row['id']}: {wrong}")
        unknown += row["crc64"] is None and row["sha256"] is None
    if bad > _NAMED:
        yield _problem(f"… and {bad - _NAMED} files more")
    if scrub and unknown:
        yield _ok(f"{unknown} files have no checksum to compare with (their chunks overlapped)")
    if not bad:
        yield _ok(f"all {count} files are there" + (", every byte of them as it was received" if scrub else ""))


async def _all_files(database: Database) -> AsyncIterator[RowMapping]:
    last = ""
    while True:
        async with database.transaction() as transaction:
            rows = await transaction.read(
                select(files.c.id, files.c.blob_key, files.c.size, files.c.crc64, files.c.sha256)
                .where(files.c.id > last)
                .order_by(files.c.id)
                .limit(_PAGE)
            )
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        last = rows[-1]["id"]


async def _still_kept(database: Database, file_id: str) -> bool:
    """Whether it was not simply deleted while we looked."""
    async with database.transaction() as transaction:
        return bool(await transaction.read(select(files.c.id).where(files.c.id == file_id)))


def _wrong_with(row: RowMapping, volume: Volume, scrub: bool) -> str:
    try:
        fd = os.open(volume.blob_path(BlobKey(row["blob_key"])), os.O_RDONLY | OPEN_FLAGS)
    except FileNotFoundError:
        return "its bytes are missing"
    except OSError as error:
        return f"its bytes can't be opened ({error.strerror})"
    try:
        size = os.fstat(fd).st_size
        if size != row["size"]:
            return f"it has {size} bytes, {row['size']} were received"
        return _changed(row, fd) if scrub else ""
    except OSError as error:
        return f"its bytes can't be read ({error.strerror})"
    finally:
        os.close(fd)


def _changed(row: RowMapping, fd: int) -> str:
    if row["crc64"] is not None and _crc64(fd) != unsigned(row["crc64"]):
        return "its bytes are not those that were received (CRC-64/NVME)"
    if row["crc64"] is None and row["sha256"] is not None and _sha256(fd) != row["sha256"]:
        return "its bytes are not those that were read for its SHA-256"
    return ""


def _crc64(fd: int) -> int:
    value = at = 0
    while block := os.pread(fd, _BLOCK, at):
        value = crc64nvme(block, value)
        at += len(block)
    return value


def _sha256(fd: int) -> bytes:
    hasher, at = hashlib.sha256(), 0
    while block := os.pread(fd, _BLOCK, at):
        hasher.update(block)
        at += len(block)
    return hasher.digest()
