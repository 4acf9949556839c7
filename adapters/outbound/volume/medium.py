"""A volume, for looking at. Contract: tests/contract/test_medium.py."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.volume import OPEN_FLAGS, Volume
from domain.errors import LongshoreError
from domain.finding import Finding, Recorded, ok, problem
from ports.medium import Medium

_FEW_FILES = 1000
_BLOCK = 8 * 1024**2


class VolumeMedium(Medium):
    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self.id: str | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        yield _room(self._volume.root)
        finding = _state(self._volume)
        self.id = self._volume.identify() if finding.good else None
        yield finding

    async def staged(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        async for some in _old_entries_below(self._volume.staged, before):
            yield some

    async def blobs(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        async for some in _old_entries_below(self._volume.blobs, before):
            yield some
        for folder in await asyncio.to_thread(_folders_below, self._volume.images):
            place = folder.relative_to(self._volume.root)
            held = await asyncio.to_thread(_old_entries, folder, before.timestamp())
            yield {f"{place}/{name}": size for name, size in held.items()}

    async def wrong_with(self, recorded: Recorded, *, scrub: bool) -> str:
        return await asyncio.to_thread(_wrong_with, recorded, self._volume, scrub)


def _room(folder: Path) -> Finding:
    place = next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
    figures = os.statvfs(place)
    if figures.f_files and figures.f_favail < _FEW_FILES:
        return problem(f"only {figures.f_favail} more files fit where {folder} is (inodes)")
    return ok(f"many more files fit where {folder} is (inodes)")


def _state(volume: Volume) -> Finding:
    if not volume.root.is_dir():
        return problem(f"there is no volume in {volume.root}: is it mounted? For a new database serve lays one out")
    try:
        volume.check()
    except LongshoreError as error:
        return problem(f"the volume {volume.root}: {error.detail}")
    open_ones = [
        folder.name
        for folder in (volume.root, volume.staged, volume.blobs)
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077
    ]
    if open_ones:
        return problem(f"others on this machine may look into {', '.join(open_ones)}: chmod -R go= {volume.root}")
    return ok(f"the volume {volume.root} has its marker and takes bytes")


def _shards(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []  # it was empty, so somebody may have removed it
    return sorted(shard for shard in folder.iterdir() if shard.is_dir())


def _folders_below(folder: Path) -> list[Path]:
    """Those that hold files."""
    return sorted(Path(path) for path, _, files in os.walk(folder) if files)


async def _old_entries_below(folder: Path, before: datetime) -> AsyncIterator[Mapping[str, int]]:
    for shard in await asyncio.to_thread(_shards, folder):
        yield await asyncio.to_thread(_old_entries, shard, before.timestamp())


def _old_entries(shard: Path, before: float) -> dict[str, int]:
    held = {}
    with os.scandir(shard) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            # A folder among blobs that bear their place leads to others, which are told by themselves.
            if status.st_mtime < before and not stat.S_ISDIR(status.st_mode):
                held[entry.name] = status.st_size
    return held


def _wrong_with(recorded: Recorded, volume: Volume, scrub: bool) -> str:
    try:
        fd = os.open(volume.blob_path(recorded.blob_key), os.O_RDONLY | OPEN_FLAGS)
    except FileNotFoundError:
        return "its bytes are missing"
    except OSError as error:
        return f"its bytes can't be opened ({error.strerror})"
    try:
        size = os.fstat(fd).st_size
        if size != recorded.size:
            return f"it has {size} bytes, {recorded.size} were received"
        return _changed(recorded, fd) if scrub else ""
    except OSError as error:
        return f"its bytes can't be read ({error.strerror})"
    finally:
        os.close(fd)


def _changed(recorded: Recorded, fd: int) -> str:
    if recorded.crc64 is not None and _crc64(fd) != recorded.crc64:
        return "its bytes are not those that were received (CRC-64/NVME)"
    if recorded.crc64 is None and recorded.sha256 is not None and _sha256(fd) != recorded.sha256:
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
