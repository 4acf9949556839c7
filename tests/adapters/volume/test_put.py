"""What only a volume can get wrong with content that is at hand: places, rights, links, the order of syncs, kills."""

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from adapters.outbound.system.spool import DiskSpool
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageFull, StorageUnavailable
from domain.ids import BlobKey, UploadId
from tests.support.processes.process import ROOT

KEY = BlobKey("images/a/b/original/x.jpg")
DATA = os.urandom(1000)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


class Disk:
    def __init__(self, root: Path, durability: Durability = Durability.ACK) -> None:
        self.volume = Volume(root)
        self.volume.prepare()
        self._stack = ExitStack()
        threads = self._stack.enter_context(closing(Threads("test-volume")))
        self.chunks = self._stack.enter_context(closing(VolumeChunkStorage(self.volume, threads)))
        self.blobs = VolumeBlobStorage(self.volume, threads, durability=durability)
        self.close = self._stack.close

    @property
    def path(self) -> Path:
        return self.volume.root / KEY

    def left_staged(self) -> list[Path]:
        return [path for path in self.volume.staged.rglob("*") if path.is_file()]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with closing(Disk(tmp_path / "volume")) as disk:
        yield disk


async def test_a_key_with_folders_is_its_place_and_nobody_else_can_look_there(disk: Disk) -> None:
    old = os.umask(0)
    try:
        await disk.blobs.put(KEY, DATA)
    finally:
        os.umask(old)
    assert disk.path.read_bytes() == DATA
    assert stat.S_IMODE(disk.path.stat().st_mode) == 0o600
    folders = [folder for folder in disk.path.parents if folder.is_relative_to(disk.volume.root)]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


async def test_who_reads_what_is_replaced_reads_on(disk: Disk) -> None:
    await disk.blobs.put(KEY, DATA)
    blob = await disk.blobs.open(KEY)
    await disk.blobs.put(KEY, b"new")
    assert b"".join([block async for block in blob.blocks(ByteRange(0, len(DATA)))]) == DATA
    await blob.close()


async def test_a_link_in_its_place_is_replaced_not_followed(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    disk.volume.make_shard(disk.path)
    disk.path.symlink_to(tmp_path / "precious")
    await disk.blobs.put(KEY, DATA)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert disk.path.read_bytes() == DATA and not disk.path.is_symlink()


@on_linux
@pytest.mark.parametrize("durability", [Durability.ACK, Durability.NONE])
async def test_bytes_then_name_then_every_folder_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    with closing(Disk(tmp_path / "volume", durability)) as disk:
        steps: list[str] = []
        fsync, rename = os.fsync, os.rename

        def note_fsync(fd: int) -> None:
            path = Path(f"/proc/self/fd/{fd}").readlink().relative_to(disk.volume.root)
            steps.append("bytes" if path.parts[:1] == ("staged",) and len(path.parts) == 3 else str(path))
            fsync(fd)

        def note_rename(source: Path, target: Path) -> None:
            steps.append("rename")
            rename(source, target)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "rename", note_rename)
        await disk.blobs.put(KEY, DATA)
    steps = [step for step in steps if step not in (".", "staged")]
    if durability is Durability.NONE:
        assert "bytes" not in steps and steps[-1] == "rename"
        return
    assert steps[0] == "bytes" and steps[-2:] == ["rename", "images/a/b/original"]
    assert steps[1:-2] == ["images", "images/a", "images/a/b"]


@pytest.mark.parametrize("call", ["fsync", "pwrite", "rename"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EROFS, StorageUnavailable)])
async def test_what_fails_leaves_nothing_and_what_was_there(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[Exception]
) -> None:
    await disk.blobs.put(KEY, b"before")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(kind):
            await disk.blobs.put(KEY, DATA)
    assert disk.path.read_bytes() == b"before"
    assert disk.left_staged() == []


async def test_content_that_ends_too_soon_is_not_kept(disk: Disk, tmp_path: Path) -> None:
    async with DiskSpool(tmp_path).open() as spooled:
        await spooled.append(DATA)
        assert spooled.fd is not None
        os.ftruncate(spooled.fd, 10)
        with pytest.raises(FileGone):
            await disk.blobs.put(KEY, spooled)
    assert not disk.path.exists() and disk.left_staged() == []


async def test_a_kill_leaves_staged_bytes_at_most_which_cleanup_finds(disk: Disk) -> None:
    program = """
        import asyncio, os, signal, sys
        from pathlib import Path
        from adapters.outbound.volume.blob_storage import VolumeBlobStorage
        from adapters.outbound.volume.threads import Threads
        from adapters.outbound.volume.volume import Volume

        os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        blobs = VolumeBlobStorage(Volume(Path(sys.argv[1])), Threads("killed"))
        asyncio.run(blobs.put("images/a/b/original/x.jpg", b"half way"))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(disk.volume.root)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not disk.path.exists()
    (staged,) = [staged async for staged in disk.chunks.staged()]
    await disk.chunks.discard(UploadId(staged.upload_id))
    assert disk.left_staged() == []


async def test_folders_that_have_become_empty_go_but_for_those_of_others(disk: Disk) -> None:
    neighbour = BlobKey("images/a/c/original/x.jpg")
    for key in (KEY, neighbour):
        await disk.blobs.put(key, DATA)
    await disk.blobs.delete(KEY)
    assert not (disk.volume.images / "a" / "b").exists()
    assert (disk.volume.root / neighbour).exists()
    await disk.blobs.delete(neighbour)
    assert disk.volume.images.is_dir() and not list(disk.volume.images.iterdir())


async def test_those_that_come_and_go_side_by_side_are_not_in_each_others_way(disk: Disk) -> None:
    """One takes the folders away that the other has just made; two processes know nothing of each other's."""
    with closing(Disk(disk.volume.root)) as other:

        async def come_and_go(number: int) -> None:
            blobs = (disk, other)[number % 2].blobs
            key = BlobKey(f"images/a/b/original/{number}.jpg")
            for _ in range(10):
                await blobs.put(key, DATA)
                blob = await blobs.open(key)
                await blob.close()
                assert await blobs.delete(key)

        await asyncio.gather(*map(come_and_go, range(8)))
        assert not list(disk.volume.images.iterdir())


async def test_of_a_volume_that_is_not_mounted_nothing_is_made_and_nothing_is_gone(disk: Disk) -> None:
    await disk.blobs.put(KEY, DATA)
    away = disk.volume.root.with_name("away")
    disk.volume.root.rename(away)
    disk.volume.root.mkdir()
    with pytest.raises(StorageUnavailable):
        await disk.blobs.put(KEY, b"hidden")
    with pytest.raises(StorageUnavailable):
        await disk.blobs.delete(KEY)
    assert not list(disk.volume.root.iterdir())
    disk.volume.root.rmdir()
    away.rename(disk.volume.root)
    assert disk.path.read_bytes() == DATA


@on_linux
async def test_what_others_have_made_is_made_durable_once_by_each(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who made it may not have come to that."""
    disk.path.parent.mkdir(parents=True)
    synced: list[Path] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    await disk.blobs.put(KEY, DATA)
    for folder in disk.path.parents:
        if folder.is_relative_to(disk.volume.root):
            assert folder in synced
