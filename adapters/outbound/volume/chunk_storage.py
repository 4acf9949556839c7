"""Staged uploads on a volume: bytes go straight to their place, and sealing is a rename."""

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.rounds import Rounds
from adapters.outbound.volume.volume import OPEN_FLAGS, Volume, gone_if_missing, sync_folder, translated
from domain.byte_range import ByteRange, Extent
from domain.checksum import Buffer, Hasher
from domain.errors import FileGone, UploadNotFound
from domain.ids import BlobKey, UploadId, parse_upload_id
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage, Staged, check_permit

_CHECKPOINT_BYTES = 8 * 1024 * 1024
_CHECKPOINT_SECONDS = 1.0
_SMALL_BODY_BYTES = 256 * 1024
_COPY_BYTES = 64 * 1024 * 1024
_KNOWN_ENTRIES = 16 * 1024


class Durability(StrEnum):
    """When bytes are forced to the medium: before every answer, before completion's only, or never."""

    ACK = "ack"
    COMPLETE = "complete"
    NONE = "none"


class VolumeChunkStorage(ChunkStorage):
    def __init__(self, volume: Volume, rounds: Rounds, *, durability: Durability = Durability.ACK) -> None:
        self._volume = volume
        self._rounds = rounds
        self._durability = durability
        # Uploads whose folder entry this process has made durable.
        self._known_entries: OrderedDict[UploadId, None] = OrderedDict()

    async def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], bool] = lambda: True,
    ) -> AsyncGenerator[Extent, None]:
        if source.length is not None and source.length <= _SMALL_BODY_BYTES:
            data = await source.gather(source.length if limit is None else min(limit, source.length))
            if data:
                yield await self._rounds.run_to_end(partial(self._write_small, upload_id, at, data, hasher, permit))
            return
        async with aclosing(self._pour(upload_id, at, source, limit, partial(_Observer, hasher, permit))) as stretches:
            async for extent in stretches:
                yield extent

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        at = 0
        for part_id, size in parts:
            start = 0
            while start < size:
                count = min(size - start, _COPY_BYTES)
                # One slice a job: a copy of any size leaves the threads to others in between.
                await self._rounds.run_to_end(partial(self._copy, part_id, start, count, upload_id, at))
                start += count
                at += count

    async def seal(self, upload_id: UploadId, *, size: int) -> BlobKey:
        return await self._rounds.run_to_end(lambda: self._seal(upload_id, size))

    async def discard(self, upload_id: UploadId) -> None:
        def unlink() -> None:
            with translated():
                self._volume.staged_path(upload_id).unlink(missing_ok=True)

        self._known_entries.pop(upload_id, None)
        await self._rounds.run_to_end(unlink)

    async def staged(self) -> AsyncIterator[Staged]:
        for shard in await self._rounds.run(partial(_entries, self._volume.staged)):
            for found in await self._rounds.run(partial(self._list_shard, shard)):
                yield found

    async def _pour(
        self, upload_id: UploadId, at: int, source: ByteSource, limit: int | None, observer: Callable[[], "_Observer"]
    ) -> AsyncGenerator[Extent, None]:
        """One stretch is made durable, and told of, while the next one arrives."""
        fd = await self._rounds.run(lambda: self._open_staged(upload_id, at=at), undo=os.close)
        pouring: asyncio.Task[int] | None = None
        syncing: asyncio.Task[Extent] | None = None
        left = limit
        try:
            while left is None or left > 0:
                check = observer()
                pouring = asyncio.create_task(_pour_stretch(source, fd, at, left, check))
                if syncing:
                    done = await syncing
                    syncing = None
                    yield done
                size = await pouring
                if not size:
                    break
                extent = Extent(ByteRange(at, at + size), check.crc64)
                syncing = asyncio.create_task(self._make_durable(upload_id, fd, extent))
                at += size
                left = None if left is None else left - size
            if syncing:
                done = await syncing
                syncing = None
                yield done
        finally:
            await _ended(pouring, syncing)  # the descriptor is theirs until then
            os.close(fd)

    async def _make_durable(self, upload_id: UploadId, fd: int, extent: Extent) -> Extent:
        if self._durability is Durability.ACK:
            await self._rounds.run_to_end(lambda: self._sync(upload_id, fd))
        return extent

    def _write_small(
        self, upload_id: UploadId, at: int, data: bytes, hasher: Hasher | None, permit: Callable[[], bool]
    ) -> Extent:
        if hasher:
            hasher.update(data)
        extent = Extent(ByteRange(at, at + len(data)), crc64nvme(data))
        fd = self._open_staged(upload_id, at=at)
        try:
            check_permit(permit)
            with translated():
                write_all(fd, data, at)
            if self._durability is Durability.ACK:
                self._sync(upload_id, fd)
        finally:
            os.close(fd)
        return extent

    def _open_staged(self, upload_id: UploadId, *, at: int) -> int:
        """To write from byte ``at`` on: what was received before must still be there, or zeros would take its place."""
        with translated():
            staged = self._volume.staged_path(upload_id)
            if at == 0:
                self._volume.make_shard(staged)
                return os.open(staged, os.O_WRONLY | os.O_CREAT | OPEN_FLAGS, 0o600)
            with gone_if_missing(self._volume):
                fd = os.open(staged, os.O_WRONLY | OPEN_FLAGS)
            if os.fstat(fd).st_size < at:
                os.close(fd)
                raise FileGone("the bytes are not what was received")
            return fd

    def _sync(self, upload_id: UploadId, fd: int) -> None:
        with translated():
            # If this fails the kernel may have dropped the pages: the bytes are not counted and the descriptor
            # is closed, so they will be written anew.
            _fdatasync(fd)
            if upload_id not in self._known_entries:
                sync_folder(self._volume.staged_path(upload_id).parent)
                self._known_entries[upload_id] = None
                if len(self._known_entries) > _KNOWN_ENTRIES:
                    self._known_entries.popitem(last=False)

    def _copy(self, part_id: UploadId, start: int, count: int, upload_id: UploadId, at: int) -> None:
        with translated():
            with gone_if_missing(self._volume):
                source = os.open(self._volume.staged_path(part_id), os.O_RDONLY | OPEN_FLAGS)
            try:
                target = self._open_staged(upload_id, at=at)
                try:
                    _copy_range(source, start, target, at, count)
                    if self._durability is Durability.ACK:
                        self._sync(upload_id, target)
                finally:
                    os.close(target)
            finally:
                os.close(source)

    def _seal(self, upload_id: UploadId, size: int) -> BlobKey:
        key = BlobKey(upload_id)
        staged, blob = self._volume.staged_path(upload_id), self._volume.blob_path(key)
        with translated():
            if size == 0:
                self._volume.make_shard(staged)  # nothing was ever written
            try:
                fd = os.open(staged, os.O_RDWR | OPEN_FLAGS | (os.O_CREAT if size == 0 else 0), 0o600)
            except FileNotFoundError:
                # Sealed already, by a call that a crash kept from being recorded?
                with gone_if_missing(self._volume):
                    if os.stat(blob, follow_symlinks=False).st_size == size:
                        return key
                raise FileGone("the bytes are not what was received") from None
            try:
                held = os.fstat(fd).st_size
                if held < size:
                    raise FileGone("the bytes are not what was received")
                if held > size:
                    os.ftruncate(fd, size)
                if self._durability is not Durability.NONE:
                    _fdatasync(fd)
            finally:
                os.close(fd)
            self._volume.make_shard(blob)
            os.rename(staged, blob)
            if self._durability is not Durability.NONE:
                sync_folder(blob.parent)
                sync_folder(staged.parent)
        return key

    def _list_shard(self, shard: str) -> list[Staged]:
        found = []
        with translated(), os.scandir(self._volume.staged / shard) as entries:
            for entry in entries:
                try:
                    upload_id = parse_upload_id(entry.name)
                    modified = entry.stat(follow_symlinks=False).st_mtime
                except (UploadNotFound, FileNotFoundError):
                    continue  # not one of ours; sealed or discarded meanwhile
                found.append(Staged(upload_id, datetime.fromtimestamp(modified, UTC)))
        return found


def _entries(folder: Path) -> list[str]:
    with translated():
        return sorted(os.listdir(folder))


async def _pour_stretch(source: ByteSource, fd: int, at: int, left: int | None, check: "_Observer") -> int:
    limit = _CHECKPOINT_BYTES if left is None else min(left, _CHECKPOINT_BYTES)
    with translated():
        return await source.pour(fd, at=at, limit=limit, seconds=_CHECKPOINT_SECONDS, observe=check)


async def _ended(pouring: asyncio.Task[int] | None, syncing: asyncio.Task[Extent] | None) -> None:
    """Return once neither runs any more, whatever came of them."""
    if pouring:
        pouring.cancel()
    await asyncio.gather(*filter(None, (pouring, syncing)), return_exceptions=True)


class _Observer:
    """Counts the checksums of what is about to be written, if it may be."""

    def __init__(self, hasher: Hasher | None, permit: Callable[[], bool]) -> None:
        self.crc64 = 0
        self._hasher = hasher
        self._permit = permit

    def __call__(self, data: Buffer) -> None:
        check_permit(self._permit)
        self.crc64 = crc64nvme(data, self.crc64)
        if self._hasher:
            self._hasher.update(data)


# macOS has no fdatasync in its os module.
_fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def write_all(fd: int, data: Buffer, at: int) -> None:
    """``pwrite`` until everything is written: it may write less than asked."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written


def _copy_range(source: int, start: int, target: int, at: int, count: int) -> None:
    """Within the kernel where it can (on some filesystems without moving a byte), else through a buffer."""
    try:
        while count:
            copied = os.copy_file_range(source, target, count, start, at)
            if not copied:
                raise FileGone("a part is shorter than it was")
            start, at, count = start + copied, at + copied, count - copied
    except (AttributeError, OSError) as error:
        unsupported = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
        if isinstance(error, OSError) and error.errno not in unsupported:
            raise
        while count:
            data = os.pread(source, min(count, 1024 * 1024), start)
            if not data:
                raise FileGone("a part is shorter than it was") from None
            write_all(target, data, at)
            start, at, count = start + len(data), at + len(data), count - len(data)
