"""What is done to staged files, without waiting for anybody: for threads, and for the writer's process."""

import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from adapters.outbound.volume.fence import fence
from adapters.outbound.volume.staged_files import KEPT_SECONDS, StagedFiles
from adapters.outbound.volume.volume import OPEN_FLAGS, Volume, gone_if_missing, sync_folder, translated
from domain.errors import FileGone, StorageFull, UploadNotFound
from domain.ids import BlobKey, UploadId, blob_key_of, parse_upload_id

Buffer = bytes | bytearray | memoryview

_KNOWN_ENTRIES = 16 * 1024


class Durability(StrEnum):
    """When bytes are forced to the medium: before every answer, before completion's only, or never."""

    ACK = "ack"
    COMPLETE = "complete"
    NONE = "none"


class Staging:
    """Every method may be called in any thread and raises FileGone, StorageFull or StorageUnavailable."""

    def __init__(self, volume: Volume, durability: Durability, *, kept_seconds: float = KEPT_SECONDS) -> None:
        self._volume = volume
        self._durability = durability
        self.files = StagedFiles(kept_seconds=kept_seconds)
        # Uploads whose folder entry this process has made durable.
        self._known_entries: OrderedDict[UploadId, None] = OrderedDict()

    def write(self, upload_id: UploadId, at: int, data: Buffer, check: Callable[[], None]) -> None:
        """Return once ``data`` is durable. What ``check`` raises, right before it is written, keeps it from that."""
        self.finish(upload_id, self.begin(upload_id, at, data, check))

    def begin(self, upload_id: UploadId, at: int, data: Buffer, check: Callable[[], None]) -> int:
        """As ``write``, up to where the bytes are on their way to the disk; ``finish`` wants the descriptor."""
        check()  # before the file is made, too: by now the upload may be another process's, or ended
        fd = self._reopen(upload_id, at=at)
        try:
            check()
            with translated():
                write_all(fd, data, at)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def finish(self, upload_id: UploadId, fd: int) -> None:
        try:
            self.sync(upload_id, fd)
        except BaseException:
            os.close(fd)  # never used again: the kernel tells of a lost write only once
            raise
        self.files.give_back(upload_id, fd)

    def open(self, upload_id: UploadId, *, least: int) -> int:
        """To write, and to read that back: what was received before ``least`` must still be there, or zeros would take
        its place."""
        with translated():
            staged = self._volume.staged_path(upload_id)
            if least == 0:
                fd = self._create(staged, os.O_RDWR)
                if not os.fstat(fd).st_size:
                    self._known_entries.pop(upload_id, None)  # the file may be a new one
                return fd
            with gone_if_missing(self._volume):
                fd = os.open(staged, os.O_RDWR | OPEN_FLAGS)
            if os.fstat(fd).st_size < least:
                os.close(fd)
                raise FileGone("the bytes are not what was received")
            return fd

    def open_to_read(self, upload_id: UploadId, *, least: int) -> int:
        with translated(), gone_if_missing(self._volume):
            fd = os.open(self._volume.staged_path(upload_id), os.O_RDONLY | OPEN_FLAGS)
            if os.fstat(fd).st_size < least:
                os.close(fd)
                raise FileGone("the bytes are not what was received")
            return fd

    def sync(self, upload_id: UploadId, fd: int) -> None:
        """Make what has been written durable, if answers promise that."""
        if self._durability is not Durability.ACK:
            return
        with translated():
            # If this fails the kernel may have dropped the pages: the bytes are not counted and the descriptor
            # is closed, so they will be written anew.
            _fdatasync(fd)
            if upload_id not in self._known_entries:
                sync_folder(self._volume.staged_path(upload_id).parent)
                self._known_entries[upload_id] = None
                if len(self._known_entries) > _KNOWN_ENTRIES:
                    self._known_entries.popitem(last=False)

    def check_room(self, size: int) -> None:
        """Whether so many bytes would fit now.

        Raises:
            StorageFull
        """
        with translated():
            disk = os.statvfs(self._volume.staged)
        if size > disk.f_bavail * disk.f_frsize:
            raise StorageFull("no room to join these parts")

    def copy(self, part_id: UploadId, start: int, count: int, upload_id: UploadId, at: int) -> None:
        """Copy ``count`` bytes of the part from byte ``start`` on to byte ``at`` of the upload."""
        with translated():
            with gone_if_missing(self._volume):
                source = os.open(self._volume.staged_path(part_id), os.O_RDONLY | OPEN_FLAGS)
            try:
                target = self.open(upload_id, least=at)
                try:
                    _copy_range(source, start, target, at, count)
                    self.sync(upload_id, target)
                finally:
                    os.close(target)
            finally:
                os.close(source)

    def begin_whole(self, upload_id: UploadId, data: Buffer, check: Callable[[], None] = lambda: None) -> int:
        """Have all bytes of an upload that nobody knows yet on their way; ``link_whole`` wants the descriptor."""
        check()
        fd = self.open(upload_id, least=0)
        try:
            with translated():
                write_all(fd, data, 0)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def link_whole(self, upload_id: UploadId, fd: int) -> None:
        """Make them durable, and give them the blob's name, which is durable after ``sync_links``.

        The staged name stays until ``settle_whole``: should the commit never come, cleanup finds by it what is left.
        """
        staged, blob = self._volume.staged_path(upload_id), self._volume.blob_path(blob_key_of(upload_id))
        with translated():
            try:
                if self._durability is not Durability.NONE:
                    _fdatasync(fd)
            finally:
                os.close(fd)
            with suppress(FileExistsError):  # by an attempt whose outcome nobody heard of
                self._volume.in_shard(blob, partial(os.link, staged, blob))

    def sync_links(self, upload_ids: Iterable[UploadId]) -> None:
        if self._durability is not Durability.NONE:
            with translated():
                for folder in {self._volume.blob_path(blob_key_of(upload_id)).parent for upload_id in upload_ids}:
                    sync_folder(folder)

    def store_whole(self, upload_id: UploadId, data: Buffer) -> None:
        """All of it: the bytes are a durable blob after this."""
        self.link_whole(upload_id, self.begin_whole(upload_id, data))
        self.sync_links([upload_id])

    def settle_whole(self, upload_id: UploadId) -> None:
        """The commit has come. Nothing waits for this, and cleanup does it where it fails."""
        with suppress(OSError):
            os.unlink(self._volume.staged_path(upload_id))

    def discard_whole(self, upload_id: UploadId) -> None:
        """It was refused: neither name is anybody's. Where this fails, cleanup does it."""
        with suppress(OSError):
            self._volume.blob_path(blob_key_of(upload_id)).unlink(missing_ok=True)
            self._volume.staged_path(upload_id).unlink(missing_ok=True)

    def seal(self, upload_id: UploadId, size: int, *, fenced: bool = False) -> BlobKey:
        key = blob_key_of(upload_id)
        self.files.forget(upload_id)
        staged, blob = self._volume.staged_path(upload_id), self._volume.blob_path(key)
        with translated():
            try:
                # Of an empty one nothing was ever written.
                fd = os.open(staged, os.O_RDWR | OPEN_FLAGS) if size else self._create(staged, os.O_RDWR)
            except FileNotFoundError:
                # Sealed already, by a call that a crash kept from being recorded?
                with gone_if_missing(self._volume):
                    if os.stat(blob, follow_symlinks=False).st_size == size:
                        if fenced:
                            fence(blob)
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
            self._volume.in_shard(blob, partial(os.rename, staged, blob))
            if fenced:
                fence(blob)
            if self._durability is not Durability.NONE:
                sync_folder(blob.parent)
                with suppress(FileNotFoundError):  # empty now, so somebody may have removed it
                    sync_folder(staged.parent)
        return key

    def discard(self, upload_id: UploadId) -> None:
        self._known_entries.pop(upload_id, None)
        self.files.forget(upload_id)
        with translated():
            self._volume.staged_path(upload_id).unlink(missing_ok=True)

    def shards(self) -> list[str]:
        """Folders of staged files; what else somebody left there is none of ours."""
        folder = self._volume.staged
        with translated(), suppress(FileGone), gone_if_missing(self._volume), os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return []

    def list_shard(self, shard: str) -> list[tuple[UploadId, datetime]]:
        """The uploads that have bytes there, and when these were last written."""
        found = []
        folder = self._volume.staged / shard
        with translated(), suppress(FileGone), gone_if_missing(self._volume), os.scandir(folder) as entries:
            for entry in entries:
                try:
                    upload_id = parse_upload_id(entry.name)
                    modified = entry.stat(follow_symlinks=False).st_mtime
                except (UploadNotFound, FileNotFoundError):
                    continue  # not one of ours; sealed or discarded meanwhile
                if upload_id == entry.name:  # to a disk, other than to clients, another case is another name
                    found.append((upload_id, datetime.fromtimestamp(modified, UTC)))
        return found

    def _create(self, staged: Path, access: int) -> int:
        """Open it, made if it is not there."""
        return self._volume.in_shard(staged, lambda: os.open(staged, access | os.O_CREAT | OPEN_FLAGS, 0o600))

    def _reopen(self, upload_id: UploadId, *, at: int) -> int:
        """As ``open``; the descriptor is that of the chunk before, if its file is still in place."""
        fd = self.files.take(upload_id)
        if fd is not None:
            with suppress(OSError):  # opening it anew will tell
                found = os.fstat(fd)
                if found.st_nlink and found.st_size >= at:
                    return fd
            os.close(fd)
        return self.open(upload_id, least=at)


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
