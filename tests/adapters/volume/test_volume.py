"""What only a volume can get wrong: rights, links, the marker, disks that fill up or fail, threads, late writes."""

import asyncio
import errno
import gc
import os
import resource
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from adapters.inbound.common.block_source import BlockSource, BodyCut
from adapters.outbound.volume import chunk_storage, staging
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.staging import write_all
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume, WrongVolume, gone_if_missing, translated
from domain.byte_range import ByteRange, Extent
from domain.checksum import Checksum
from domain.errors import FileGone, FileTooLargeForDisk, LongshoreError, StorageFull, StorageUnavailable
from domain.ids import BlobKey, UploadId
from ports.byte_source import ByteSource
from tests.contract.suites.storages import Storages
from tests.support.processes.services import require
from tests.support.sources import CutSource, HangingSource, StalledSource, source_of

A, B, C = (UploadId(digit * 32) for digit in "abc")
KEY = BlobKey(A)
MIB = 1024 * 1024
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="copy_file_range and /proc are Linux's")


class Disk:
    """A volume and its storages."""

    def __init__(self, root: Path) -> None:
        self.volume = Volume(root)
        self.volume.prepare()
        for upload_id in (A, B, C):  # so that a test can put things where bytes will come
            self.volume.make_shard(self.volume.staged_path(upload_id))
            self.volume.make_shard(self.volume.blob_path(BlobKey(upload_id)))
        self.threads = Threads("test-volume")
        self.chunks = VolumeChunkStorage(self.volume, self.threads)
        self.blobs = VolumeBlobStorage(self.volume, self.threads)
        self.storages = Storages(self.chunks, self.blobs)

    def close(self) -> None:
        self.chunks.close()
        self.threads.close()

    async def write(self, upload_id: UploadId, source: ByteSource, at: int = 0) -> list[Extent]:
        writing = self.chunks.write(upload_id, at=at, source=source, limit=None, hasher=None)
        return [extent async for extent in writing]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "volume")
    yield disk
    disk.close()


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    """Every file that the test opens is closed again."""
    before = set(os.listdir("/dev/fd"))
    yield
    assert set(os.listdir("/dev/fd")) <= before


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


def reach(ranges: list[Extent]) -> int:
    return ranges[-1].range.end if ranges else 0


class Gate:
    """Stands for a disk that takes its time: whoever calls ``os.<name>`` waits there until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()
        self._call: Callable[..., object] = getattr(module, name)
        monkeypatch.setattr(module, name, self._wait_and_call)

    def open(self) -> None:
        self._opened.set()

    async def is_reached(self) -> None:
        await asyncio.to_thread(self.reached.wait, 5)
        assert self.reached.is_set()

    def _wait_and_call(self, *arguments: object) -> object:
        self.reached.set()
        assert self._opened.wait(10)
        return self._call(*arguments)


class TestRights:
    async def test_nobody_else_can_read_what_is_stored(self, disk: Disk) -> None:
        old = os.umask(0)
        try:
            await disk.write(A, source_of(b"small"))
            await disk.write(B, source_of(bytes(300 * 1024)))
            await disk.chunks.join(C, [(A, 5)])
            key = await disk.chunks.seal(A, size=5)
        finally:
            os.umask(old)
        files = [disk.volume.staged_path(B), disk.volume.staged_path(C), disk.volume.blob_path(key)]
        assert {mode(path) for path in files} == {"0o600"}

    async def test_nobody_else_can_look_into_the_folders(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            Volume(tmp_path / "volume").prepare()
        finally:
            os.umask(old)
        root = tmp_path / "volume"
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        assert len(folders) == 1 + 2
        assert {mode(path) for path in folders} == {"0o700"}
        assert mode(root / ".longshore") == "0o600"

    async def test_names_are_generated_and_spread_over_folders(self, disk: Disk) -> None:
        await disk.write(A, source_of(b"x"))
        await disk.chunks.seal(A, size=1)
        assert disk.volume.blob_path(KEY) == disk.volume.root / "blobs" / "aa" / A


class TestPlantedLinks:
    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        target = tmp_path / "precious"
        target.write_bytes(b"precious")
        return target

    @pytest.mark.parametrize("size", [5, 300 * 1024])
    async def test_bytes_are_not_written_through_a_link(self, disk: Disk, target: Path, size: int) -> None:
        disk.volume.staged_path(A).symlink_to(target)
        with pytest.raises(StorageUnavailable):
            await disk.write(A, source_of(b"x" * size))
        assert target.read_bytes() == b"precious"

    async def test_a_link_to_nowhere_creates_nothing(self, disk: Disk, tmp_path: Path) -> None:
        disk.volume.staged_path(A).symlink_to(tmp_path / "new")
        with pytest.raises(StorageUnavailable):
            await disk.write(A, source_of(b"x"))
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("size", [0, 3])
    async def test_a_link_is_not_sealed(self, disk: Disk, target: Path, size: int) -> None:
        disk.volume.staged_path(A).symlink_to(target)
        with pytest.raises(StorageUnavailable):
            await disk.chunks.seal(A, size=size)
        assert target.read_bytes() == b"precious"
        assert not disk.volume.blob_path(KEY).exists()

    async def test_a_link_in_the_blobs_place_is_replaced_not_followed(self, disk: Disk, target: Path) -> None:
        disk.volume.blob_path(KEY).symlink_to(target)
        await disk.write(A, source_of(b"abc"))
        assert await disk.storages.sealed(A, 3) == b"abc"
        assert target.read_bytes() == b"precious"
        assert not disk.volume.blob_path(KEY).is_symlink()

    async def test_a_link_is_not_read(self, disk: Disk, target: Path) -> None:
        disk.volume.blob_path(KEY).symlink_to(target)
        with pytest.raises(StorageUnavailable):
            await disk.blobs.open(KEY)

    async def test_a_link_does_not_count_as_sealed(self, disk: Disk, target: Path) -> None:
        disk.volume.blob_path(KEY).symlink_to(target)
        with pytest.raises(FileGone):
            await disk.chunks.seal(A, size=len(b"precious"))

    async def test_parts_are_neither_read_nor_written_through_links(self, disk: Disk, target: Path) -> None:
        await disk.write(A, source_of(b"abc"))
        disk.volume.staged_path(B).symlink_to(target)
        with pytest.raises(StorageUnavailable):
            await disk.chunks.join(C, [(B, 3)])
        with pytest.raises(StorageUnavailable):
            await disk.chunks.join(B, [(A, 3)])
        assert target.read_bytes() == b"precious"

    async def test_what_is_deleted_is_the_link(self, disk: Disk, target: Path) -> None:
        disk.volume.staged_path(A).symlink_to(target)
        disk.volume.blob_path(KEY).symlink_to(target)
        await disk.chunks.discard(A)
        await disk.blobs.delete(KEY)
        assert target.read_bytes() == b"precious"
        assert not disk.volume.staged_path(A).is_symlink()
        assert not disk.volume.blob_path(KEY).is_symlink()

    async def test_staged_uploads_are_listed_without_following_links(self, disk: Disk, target: Path) -> None:
        os.utime(target, (0, 0))
        disk.volume.staged_path(A).symlink_to(target)
        (staged,) = [staged async for staged in disk.chunks.staged()]
        assert staged.modified_at.timestamp() > 0

    async def test_what_has_no_id_for_a_name_is_left_alone(self, disk: Disk) -> None:
        for name in ("lost+found", "abc", A + ".bak", A.upper()):
            (disk.volume.staged / "aa" / name).write_text("somebody else's")
        assert [staged async for staged in disk.chunks.staged()] == []


class TestTheMarker:
    def test_a_volume_keeps_its_id(self, tmp_path: Path) -> None:
        one, two = Volume(tmp_path / "one"), Volume(tmp_path / "two")
        assert one.identify() is None
        volume_id = one.prepare()
        assert one.prepare() == one.identify() == Volume(tmp_path / "one").prepare() == volume_id
        assert two.prepare() != volume_id

    def test_an_empty_folder_and_a_freshly_formatted_disk_become_volumes(self, tmp_path: Path) -> None:
        (tmp_path / "lost+found").mkdir()
        assert Volume(tmp_path).prepare() == Volume(tmp_path).identify()

    @pytest.mark.parametrize("name", ["holiday.mov", "blobs.bak", ".ssh"])
    def test_a_folder_with_other_things_in_it_is_left_untouched(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("mine")
        with pytest.raises(WrongVolume, match=name):
            Volume(tmp_path).prepare()
        assert [entry.name for entry in tmp_path.iterdir()] == [name]

    def test_a_marked_volume_may_hold_other_things(self, tmp_path: Path) -> None:
        volume_id = Volume(tmp_path).prepare()
        (tmp_path / "README").write_text("about the backups")
        assert Volume(tmp_path).prepare() == volume_id

    def test_a_file_is_no_volume(self, tmp_path: Path) -> None:
        (tmp_path / "volume").write_text("")
        with pytest.raises(StorageUnavailable):
            Volume(tmp_path / "volume").prepare()

    def test_two_servers_that_start_at_once_agree(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as servers:
            for attempt in range(12):
                start = threading.Barrier(8)

                def prepare(root: Path, start: threading.Barrier = start) -> str:
                    start.wait(5)
                    return Volume(root).prepare()

                root = tmp_path / str(attempt)
                ids = set(servers.map(prepare, [root] * 8))
                assert ids == {Volume(root).identify()}
                assert {entry.name for entry in root.iterdir()} == {".longshore", "staged", "blobs"}

    @pytest.mark.parametrize(
        ("step", "calls"),
        [
            *(("mkdir", 0), ("mkdir", 1), ("mkdir", 2)),
            *(("open", 0), ("open", 1), ("open", 2), ("write", 0)),
            *(("fsync", 0), ("fsync", 1), ("fsync", 2), ("link", 0), ("unlink", 0)),
        ],
    )
    def test_a_crash_while_it_is_laid_out_is_no_harm(self, tmp_path: Path, step: str, calls: int) -> None:
        """A child process dies when it makes its so-manieth call of that kind."""
        root = tmp_path / "volume"
        program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from adapters.outbound.volume.volume import Volume
call, left = os.{step}, [{calls}]
def die(*arguments, **options):
    if left[0] == 0:
        os._exit(9)
    left[0] -= 1
    return call(*arguments, **options)
os.{step} = die
Volume(Path({str(root)!r})).prepare()
"""
        child = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
        assert child.returncode == 9
        marked = Volume(root).identify()
        volume_id = Volume(root).prepare()
        assert marked in (None, volume_id)
        assert {entry.name for entry in root.iterdir()} >= {".longshore", "staged", "blobs"}


class TestHealth:
    async def test_a_prepared_volume_is_healthy(self, disk: Disk) -> None:
        await disk.blobs.check()

    async def test_a_volume_whose_marker_is_gone_is_not_mounted(self, disk: Disk) -> None:
        (disk.volume.root / ".longshore").unlink()
        with pytest.raises(StorageUnavailable):
            await disk.blobs.check()


def remove_empty_folders(root: Path) -> None:
    """As ``find -mindepth 1 -type d -empty -delete`` does, and backups that leave them out."""
    for folder in sorted(root.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


class TestEmptyFoldersThatSomebodyRemoves:
    @pytest.mark.parametrize("size", [0, 1000, 300 * 1024])
    async def test_they_are_made_again_at_any_moment(self, disk: Disk, size: int) -> None:
        data = os.urandom(size)
        for _ in range(2):  # new to this process, and known to it
            remove_empty_folders(disk.volume.root)
            await disk.storages.write(A, data)
            remove_empty_folders(disk.volume.root)
            assert await disk.storages.sealed(A, size) == data
            remove_empty_folders(disk.volume.root)
            assert [one async for one in disk.chunks.staged()] == []
            await disk.chunks.discard(A)
            assert await disk.blobs.delete(KEY)

    @on_linux
    async def test_what_is_made_again_is_durable_before_it_is_told(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await disk.write(A, source_of(b"abc"))
        await disk.chunks.discard(A)
        remove_empty_folders(disk.volume.root)
        synced: list[str] = []
        fsync = os.fsync

        def note(fd: int) -> None:
            synced.append(str(Path(f"/proc/self/fd/{fd}").readlink().relative_to(disk.volume.root.parent)))
            fsync(fd)

        monkeypatch.setattr(os, "fsync", note)
        await disk.write(A, source_of(b"abc"))
        assert synced == ["volume", "volume/staged", "volume/staged/aa"]

    async def test_a_file_that_is_made_anew_has_its_entry_made_durable_anew(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await disk.write(A, source_of(b"abc"))
        disk.chunks.close()
        disk.volume.staged_path(A).unlink()
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        await disk.write(A, source_of(b"abc"))
        assert len(synced) == 1

    async def test_of_a_volume_that_is_not_mounted_nothing_is_made(self, disk: Disk) -> None:
        (disk.volume.root / ".longshore").unlink()
        remove_empty_folders(disk.volume.root)
        for size in (0, 1000, 300 * 1024):
            with pytest.raises(StorageUnavailable):
                await disk.write(A, source_of(bytes(size))) if size else await disk.chunks.seal(A, size=0)
        with pytest.raises(StorageUnavailable):
            assert [one async for one in disk.chunks.staged()]
        assert list(disk.volume.root.iterdir()) == []


class TestShortWrites:
    """``pwrite`` may write less than it was asked to."""

    @pytest.fixture(autouse=True)
    def short_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pwrite = os.pwrite

        def write_a_part(fd: int, data: bytes, at: int) -> int:
            return pwrite(fd, memoryview(data)[: max(1, len(data) // 3)], at)

        monkeypatch.setattr(os, "pwrite", write_a_part)

    @pytest.mark.parametrize("size", [1, 1000, 300 * 1024, 2 * MIB + 7])
    @pytest.mark.parametrize("announced", [True, False])
    async def test_every_byte_gets_there(self, disk: Disk, size: int, announced: bool) -> None:
        data = os.urandom(size)
        received = await disk.storages.write(A, data, announced=announced)
        assert received.prefix == size
        assert await disk.storages.sealed(A, size) == data

    async def test_every_byte_of_a_copy_gets_there(self, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
        data = os.urandom(MIB + 1)
        await disk.storages.write(A, data)
        await disk.chunks.join(B, [(A, len(data))])
        assert await disk.storages.sealed(B, len(data)) == data


@on_linux
class TestCopying:
    """Parts are copied within the kernel where that works."""

    async def test_a_system_without_it_copies_through_a_buffer(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "copy_file_range")
        await self._join(disk)

    @pytest.mark.parametrize("error", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    async def test_a_filesystem_that_refuses_is_copied_through_a_buffer(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch, error: int
    ) -> None:
        def refuse(*_: int) -> int:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(os, "copy_file_range", refuse)
        await self._join(disk)

    async def test_one_that_refuses_in_the_middle_goes_on_from_there(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy, calls = os.copy_file_range, []

        def tire(source: int, target: int, count: int, start: int, at: int) -> int:
            calls.append(count)
            if len(calls) % 3 == 0:
                raise OSError(errno.EINVAL, "no more")
            return copy(source, target, min(count, 1000), start, at)

        monkeypatch.setattr(os, "copy_file_range", tire)
        await self._join(disk)
        assert len(calls) >= 3

    def test_two_filesystems_are_copied_through_a_buffer(self, tmp_path: Path) -> None:
        memory = Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
            require("a second filesystem", "/dev/shm is none")
        data = os.urandom(3 * MIB)
        source = os.memfd_create("part")
        target = os.open(tmp_path / "whole", os.O_RDWR | os.O_CREAT)
        try:
            write_all(source, data, 0)
            staging._copy_range(source, 5, target, 10, len(data) - 5)
            assert os.pread(target, len(data), 10) == data[5:]
        finally:
            os.close(source)
            os.close(target)

    @pytest.mark.parametrize("in_kernel", [True, False])
    async def test_a_part_that_is_shorter_than_it_was_is_gone(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch, in_kernel: bool
    ) -> None:
        if not in_kernel:
            monkeypatch.delattr(os, "copy_file_range")
        await disk.storages.write(A, b"abc")
        with pytest.raises(FileGone):
            await disk.chunks.join(B, [(A, 4)])

    async def test_parts_longer_than_one_slice_are_copied(self, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunk_storage, "_COPY_BYTES", 100_000)
        await self._join(disk)

    @staticmethod
    async def _join(disk: Disk) -> None:
        one, two = os.urandom(MIB + 3), os.urandom(10)
        await disk.storages.write(A, one)
        await disk.storages.write(B, two)
        await disk.chunks.join(C, [(A, len(one)), (B, len(two)), (A, len(one))])
        assert await disk.storages.sealed(C, 2 * len(one) + len(two)) == one + two + one


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestDisksThatFail:
    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ENOSPC, StorageFull),
            (errno.EDQUOT, StorageFull),
            (errno.EIO, StorageUnavailable),
            (errno.EROFS, StorageUnavailable),
            (errno.EFBIG, FileTooLargeForDisk),
            (errno.ENOENT, StorageUnavailable),
            (errno.EMFILE, StorageUnavailable),
        ],
    )
    def test_errors_of_the_system_become_errors_of_the_core(self, number: int, kind: type[LongshoreError]) -> None:
        with pytest.raises(kind) as raised, translated():
            raise OSError(number, os.strerror(number), "/secret/path")
        assert "/secret" not in raised.value.detail
        assert isinstance(raised.value.__cause__, OSError)

    def test_what_is_missing_is_gone_only_where_it_was_promised(self) -> None:
        with pytest.raises(FileGone), translated(), gone_if_missing():
            os.stat("/nowhere/at/all")

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("size", [200 * 1024, 3 * MIB])
    @pytest.mark.parametrize("announced", [True, False])
    async def test_a_write_the_system_refuses_counts_nothing_and_can_be_tried_again(
        self, tmp_path: Path, size: int, announced: bool
    ) -> None:
        disk = Disk(tmp_path / "volume")
        data = os.urandom(size)
        with files_limited_to(100 * 1024), pytest.raises(FileTooLargeForDisk):
            await disk.storages.write(A, data, announced=announced)
        await disk.storages.write(A, data, announced=announced)
        assert await disk.storages.sealed(A, size) == data
        disk.close()

    async def test_what_was_durable_before_the_disk_filled_up_stays(self, small_filesystem: Path) -> None:
        disk = Disk(small_filesystem)
        data = os.urandom(6 * MIB)
        first = await disk.write(A, source_of(data[:MIB]))
        assert reach(first) == MIB
        with pytest.raises(StorageFull):
            await disk.write(A, source_of(data[MIB:]), at=MIB)
        with pytest.raises(StorageFull):
            await disk.write(B, source_of(b"x"))
        with pytest.raises(StorageFull):
            await disk.blobs.check()
        with pytest.raises(StorageFull):
            await disk.chunks.join(C, [(A, MIB)])
        assert disk.volume.staged_path(A).read_bytes()[:MIB] == data[:MIB]
        await disk.chunks.discard(B)
        await disk.chunks.discard(C)
        await disk.write(A, source_of(data[MIB : 2 * MIB]), at=MIB)
        assert await disk.storages.sealed(A, 2 * MIB) == data[: 2 * MIB]
        disk.close()

    async def test_a_disk_without_inodes_is_full(self, small_filesystem: Path) -> None:
        disk = Disk(small_filesystem)
        ids = [UploadId(f"{number:032x}") for number in range(400)]
        with pytest.raises(StorageFull):
            for upload_id in ids:
                await disk.write(upload_id, source_of(b"x"))
        await disk.chunks.discard(ids[0])
        await disk.write(A, source_of(b"abc"))
        assert await disk.storages.sealed(A, 3) == b"abc"
        disk.close()

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("size", [1000, 300 * 1024, 9 * MIB])
    async def test_an_error_of_fsync_counts_nothing_and_that_descriptor_is_used_no_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        disk = Disk(tmp_path / "volume")
        sync = staging._fdatasync
        failed: list[int] = []

        def fail_once(fd: int) -> None:
            if not failed:
                failed.append(fd)
                raise OSError(errno.EIO, "the pages are lost")
            sync(fd)

        monkeypatch.setattr(staging, "_fdatasync", fail_once)
        data = os.urandom(size)
        counted: list[Extent] = []
        with pytest.raises(StorageUnavailable):
            async for extent in disk.chunks.write(A, at=0, source=source_of(data), limit=None, hasher=None):
                counted.append(extent)
        assert counted == []
        await disk.storages.write(A, data)
        assert await disk.storages.sealed(A, size) == data
        disk.close()

    async def test_a_seal_whose_fsync_fails_seals_nothing(self, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        await disk.storages.write(A, b"abc")

        def fail(fd: int) -> None:
            raise OSError(errno.EIO, "the pages are lost")

        with monkeypatch.context() as patch, pytest.raises(StorageUnavailable):
            patch.setattr(staging, "_fdatasync", fail)
            await disk.chunks.seal(A, size=3)
        assert not disk.volume.blob_path(KEY).exists()
        assert await disk.storages.sealed(A, 3) == b"abc"

    async def test_the_stretch_before_a_failure_is_still_told_of(self, disk: Disk) -> None:
        chunks = VolumeChunkStorage(disk.volume, disk.threads, checkpoint_bytes=MIB)
        counted = []
        with files_limited_to(MIB + 100), pytest.raises(FileTooLargeForDisk):
            source = source_of(bytes(3 * MIB))
            async for extent in chunks.write(A, at=0, source=source, limit=None, hasher=None):
                counted.append(extent)
        assert reach(counted) == MIB

    async def test_a_blob_cut_short_behind_our_back_is_gone(self, disk: Disk) -> None:
        await disk.storages.write(A, bytes(1000))
        key = await disk.chunks.seal(A, size=1000)
        blob = await disk.blobs.open(key)
        os.truncate(disk.volume.blob_path(key), 10)
        with pytest.raises(FileGone):
            assert [block async for block in blob.blocks(ByteRange(0, 1000))]
        await blob.close()


class TestCheckpoints:
    async def test_a_stretch_is_told_of_while_the_next_one_is_awaited(self, disk: Disk) -> None:
        source = StalledSource([bytes(8 * MIB), None, b"rest"], length=8 * MIB + 4)
        writing = disk.chunks.write(A, at=0, source=source, limit=None, hasher=None)
        first = await asyncio.wait_for(anext(writing), 5)
        assert first.range == ByteRange(0, 8 * MIB)
        source.goes_on.set()
        assert [extent.range async for extent in writing] == [ByteRange(8 * MIB, 8 * MIB + 4)]

    async def test_whoever_turns_away_leaves_nothing_running(self, disk: Disk) -> None:
        tasks = asyncio.all_tasks()
        source = HangingSource([bytes(8 * MIB)], length=16 * MIB)
        writing = disk.chunks.write(A, at=0, source=source, limit=None, hasher=None)
        await anext(writing)
        assert asyncio.all_tasks() > tasks
        await asyncio.wait_for(writing.aclose(), 5)
        assert asyncio.all_tasks() == tasks
        await disk.chunks.seal(A, size=8 * MIB)


class TestLateWrites:
    """Once the caller has gone on (and given its lease back), nothing of what it wrote may come any more."""

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("size", [1000, 300 * 1024])
    async def test_a_cancelled_write_ends_before_its_caller_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        disk = Disk(tmp_path / "volume")
        gate = Gate(monkeypatch, os, "pwrite")
        request = asyncio.create_task(disk.write(A, source_of(b"x" * size)))
        await gate.is_reached()
        request.cancel()
        await asyncio.sleep(0.05)
        assert not request.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await request
        await disk.storages.write(A, b"y" * size)
        key = await disk.chunks.seal(A, size=size)
        await asyncio.sleep(0.05)
        assert await disk.storages.read(key, size) == b"y" * size
        assert not disk.volume.staged_path(A).exists()
        disk.close()

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("size", [1000, 300 * 1024])
    async def test_a_cancelled_fsync_ends_before_its_caller_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        disk = Disk(tmp_path / "volume")
        gate = Gate(monkeypatch, staging, "_fdatasync")
        request = asyncio.create_task(disk.write(A, source_of(b"x" * size)))
        await gate.is_reached()
        request.cancel()
        await asyncio.sleep(0.05)
        assert not request.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await request
        disk.close()

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("what", ["a blob", "an upload"])
    async def test_a_cancelled_open_leaves_no_descriptor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        disk = Disk(tmp_path / "volume")
        await disk.storages.write(A, b"abc")
        key = await disk.chunks.seal(A, size=3)
        with monkeypatch.context() as patch:
            gate = Gate(patch, os, "open")
            opening = disk.blobs.open(key) if what == "a blob" else disk.write(B, HangingSource([], length=None))
            request: asyncio.Task[object] = asyncio.create_task(opening)
            await gate.is_reached()
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            gate.open()
            await disk.threads.run(lambda: None)
        disk.close()
        await asyncio.sleep(0)

    async def test_a_cancelled_seal_is_done_or_not_begun(self, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        await disk.storages.write(A, b"abc")
        gate = Gate(monkeypatch, os, "rename")
        request = asyncio.create_task(disk.chunks.seal(A, size=3))
        await gate.is_reached()
        request.cancel()
        await asyncio.sleep(0.05)
        assert not request.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await disk.storages.read(KEY, 3) == b"abc"
        assert await disk.chunks.seal(A, size=3) == KEY

    async def test_bytes_left_over_past_the_size_are_not_part_of_the_blob(self, disk: Disk) -> None:
        await disk.storages.write(A, b"abc" + b"never counted" * 1000)
        assert await disk.storages.sealed(A, 3) == b"abc"
        assert disk.volume.blob_path(KEY).stat().st_size == 3


class TestSealing:
    async def test_it_is_a_rename(self, disk: Disk) -> None:
        await disk.storages.write(A, bytes(MIB))
        staged = disk.volume.staged_path(A).stat()
        key = await disk.chunks.seal(A, size=MIB)
        blob = disk.volume.blob_path(key).stat()
        assert (blob.st_ino, blob.st_nlink) == (staged.st_ino, 1)
        assert not disk.volume.staged_path(A).exists()

    @on_linux
    async def test_it_makes_both_folders_durable_after_the_rename(
        self, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await disk.storages.write(A, b"abc")
        steps: list[str] = []
        fsync, rename = os.fsync, os.rename

        def note_fsync(fd: int) -> None:
            steps.append(str(Path(f"/proc/self/fd/{fd}").readlink().relative_to(disk.volume.root)))
            fsync(fd)

        def note_rename(old: Path, new: Path) -> None:
            steps.append("rename")
            rename(old, new)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "rename", note_rename)
        await disk.chunks.seal(A, size=3)
        assert steps == ["rename", "blobs/aa", "staged/aa"]

    async def test_a_seal_cut_off_right_after_the_rename_can_be_finished(self, disk: Disk) -> None:
        await disk.storages.write(A, b"abc")
        os.rename(disk.volume.staged_path(A), disk.volume.blob_path(KEY))
        assert await disk.chunks.seal(A, size=3) == KEY
        with pytest.raises(FileGone):
            await disk.chunks.seal(A, size=4)


class TestThreads:
    @pytest.fixture
    def threads(self) -> Iterator[Threads]:
        threads = Threads("test-threads")
        yield threads
        threads.close()

    async def test_every_job_gives_its_own_result(self, threads: Threads) -> None:
        jobs = [threads.run(partial(pow, number, 2)) for number in range(2000)]
        assert await asyncio.gather(*jobs) == [number**2 for number in range(2000)]

    async def test_many_jobs_share_few_threads(self, threads: Threads) -> None:
        names = await asyncio.gather(*(threads.run(self._slow_name) for _ in range(100)))
        assert 1 < len(set(names)) <= 8
        assert threading.current_thread().ident not in names

    async def test_a_jobs_error_is_its_callers_alone(self, threads: Threads) -> None:
        def fail() -> int:
            raise StorageFull("no room")

        jobs = [threads.run(fail if number % 2 else partial(int, number)) for number in range(40)]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [int, StorageFull] * 20

    async def test_a_cancelled_callers_job_is_done_all_the_same(self, threads: Threads) -> None:
        done = threading.Event()
        go = threading.Event()

        def work() -> None:
            go.wait(5)
            done.set()

        request = asyncio.create_task(threads.run(work))
        await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(request, 1)
        go.set()
        assert await asyncio.to_thread(done.wait, 5)
        assert await threads.run(lambda: 1) == 1

    async def test_what_nobody_waits_for_any_more_is_undone(self, threads: Threads) -> None:
        undone: list[str] = []
        go = threading.Event()

        def work() -> str:
            go.wait(5)
            return "opened"

        request = asyncio.create_task(threads.run(work, undo=undone.append))
        await asyncio.sleep(0.01)
        request.cancel()
        await asyncio.wait([request])
        go.set()
        await threads.run(lambda: None)
        while not undone:  # noqa: ASYNC110 -- set in this very loop
            await asyncio.sleep(0.01)
        assert undone == ["opened"]
        assert await threads.run(lambda: "kept", undo=undone.append) == "kept"
        assert undone == ["opened"]

    async def test_what_comes_in_the_moment_of_the_cancellation_is_undone_too(self, threads: Threads) -> None:
        """The job is done and its caller is about to be told."""
        undone: list[str] = []
        done = threading.Event()

        def work() -> str:
            done.set()
            return "opened"

        request = asyncio.create_task(threads.run(work, undo=undone.append))
        await asyncio.sleep(0)
        assert done.wait(5)  # and the loop has not turned since
        time.sleep(0.02)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert undone == ["opened"]

    async def test_a_job_that_nobody_waits_for_may_fail(
        self, threads: Threads, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> str:
            raise StorageFull

        undone: list[str] = []
        threads.begin(fail)
        request = asyncio.create_task(threads.run(fail, undo=undone.append))
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait([request])
        assert await threads.run(lambda: 1) == 1
        gc.collect()
        assert (undone, caplog.records) == ([], [])

    async def test_a_cancelled_caller_that_must_not_leave_early_does_not(self, threads: Threads) -> None:
        go = threading.Event()
        request = asyncio.create_task(threads.run_to_end(partial(go.wait, 5)))
        await asyncio.sleep(0.01)
        for _ in range(3):
            request.cancel()
            await asyncio.sleep(0.05)
            assert not request.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await request

    async def test_a_caller_cancelled_too_late_learns_so(self, threads: Threads) -> None:
        def fail() -> None:
            raise StorageFull

        for work in (lambda: None, fail):
            request = asyncio.create_task(threads.run_to_end(work))
            await asyncio.sleep(0.05)
            request.cancel()
            await asyncio.wait([request])

    async def test_a_slow_job_does_not_hold_up_the_rest(self, threads: Threads) -> None:
        go = threading.Event()
        slow = [asyncio.create_task(threads.run(partial(go.wait, 5))) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert await asyncio.wait_for(threads.run(lambda: 1), 1) == 1
        go.set()
        assert await asyncio.gather(*slow) == [True] * 3

    async def test_closing_waits_for_every_job(self) -> None:
        threads, done = Threads("closing"), []

        def work(number: int) -> None:
            time.sleep(0.002)
            done.append(number)

        jobs = [asyncio.create_task(threads.run(partial(work, number))) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(threads.close)
        assert sorted(done) == list(range(50))
        await asyncio.gather(*jobs)
        assert [thread for thread in threading.enumerate() if thread.name.startswith("closing")] == []

    async def test_nothing_begins_after_closing(self) -> None:
        threads = Threads("closed")
        await threads.run(lambda: None)
        threads.close()
        threads.close()
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(threads.run(lambda: None), 1)

    async def test_idle_threads_cost_nothing(self, threads: Threads) -> None:
        await asyncio.gather(*(threads.run(lambda: None) for _ in range(100)))
        before = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - before < 0.1

    @staticmethod
    def _slow_name() -> int | None:
        time.sleep(0.001)
        return threading.current_thread().ident


class TestChecksumsOfCutBodies:
    async def test_a_body_cut_between_blocks_is_counted_to_the_byte(self, disk: Disk) -> None:
        data = os.urandom(700 * 1024)
        hasher = Checksum("sha256", bytes(32)).hasher()
        source = CutSource([data[:400_000], data[400_000:]], length=MIB)
        extents = [extent async for extent in disk.chunks.write(A, at=0, source=source, limit=None, hasher=hasher)]
        assert reach(extents) == len(data)
        expected = Checksum("sha256", bytes(32)).hasher()
        expected.update(data)
        assert hasher.digest() == expected.digest()

    async def test_a_sender_that_breaks_off_at_once_leaves_no_stretch(self, disk: Disk) -> None:
        class Broken(BlockSource):
            async def next_block(self) -> bytes:
                raise BodyCut

        assert await disk.write(A, Broken(length=MIB)) == []


async def drained(staged: AsyncIterator[object]) -> int:
    return len([one async for one in staged])


async def test_listing_and_writing_go_on_side_by_side(disk: Disk) -> None:
    ids = [UploadId(f"{number:02x}" + "0" * 30) for number in range(64)]

    async def come_and_go(upload_id: UploadId) -> None:
        await disk.write(upload_id, source_of(b"x"))
        await disk.chunks.seal(upload_id, size=1)

    listing = asyncio.create_task(drained(disk.chunks.staged()))
    await asyncio.gather(*map(come_and_go, ids))
    assert 0 <= await listing <= 64
    assert await drained(disk.chunks.staged()) == 0
