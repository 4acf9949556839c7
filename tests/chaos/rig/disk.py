"""Disks that a test may fill, break or cut the power of: loop images, small tmpfs, and the snapshot of a
power cut.

A power cut, without cutting anything
-------------------------------------
What a program wrote waits in two places before it is safe: in the page cache and the journal of the
filesystem, until a sync sends it to the disk; and in the disk's own memory, until the filesystem asks for a
flush. Losing the power loses both. Here the disk is built so that both can be lost:

* the program's filesystem (*disk*) is an ext4 on a loop device with buffered I/O, so what it sends to its
  disk stays in the page cache of an image file: that is the disk's volatile memory. A flush makes the loop
  device fsync that file;
* the image file lies on a second ext4 (*plate*), whose loop device writes with direct I/O past the host's
  cache (``losetup --direct-io=on``). So the plate's image holds, at any moment, just what was flushed.

A copy of the plate's image is then what a machine finds after the power went away; mounting the copy replays
both journals as a boot would. Two things could make it kinder or crueller than a real cut, and are ruled out:

* ext4 commits its journal every 5 s by itself and could save by chance what the server never synced:
  ``commit=600``. The kernel writes dirty pages back after 30 s; a cut comes long before.
* the copy takes a moment, in which the server would write on, so that early blocks are older than late ones:
  no real disk ends like that. The server is stopped (SIGSTOP) first, and the copy is made again when the
  device's own counters say that something was written meanwhile.

The host's mount table is used, so everything is undone in ``finally``: the loop device is set to go with its
mount.
"""

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.processes.services import require_program

_MOUNT_OPTIONS = "commit=600"
_QUIET_SECONDS = 10.0


def require_mounts() -> None:
    """Skip where we may not mount, even under REQUIRE_SERVICES=1: no package can mend that."""
    if os.geteuid() != 0:
        pytest.skip("MOUNTS NOT PERMITTED: loop mounts need root; power cuts and full disks were NOT tested")
    require_program("mkfs.ext4")
    require_program("losetup")
    probe = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "losetup --find && mount -t tmpfs tmpfs /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        reason = probe.stderr.strip()
        pytest.skip(f"MOUNTS NOT PERMITTED: {reason}; power cuts and full disks were NOT tested")


class LoopDisk:
    """An ext4 filesystem in an image file, mounted from ``mount`` until ``unmount``."""

    def __init__(self, image: Path, *, mounted_at: Path, direct_io: bool = True) -> None:
        self.image = image
        self.path = mounted_at
        self._direct_io = direct_io
        self._device = ""

    def format(self, size: int) -> None:
        with self.image.open("wb") as file:
            file.truncate(size)
        # Nothing may be written in the background later on: tables and journal are made complete now.
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self.image))

    def mount(self, options: str = _MOUNT_OPTIONS) -> None:
        """Mount it; the journal of an image that was cut off is replayed."""
        self.path.mkdir(parents=True, exist_ok=True)
        direct = "on" if self._direct_io else "off"
        device = _run("losetup", f"--direct-io={direct}", "--find", "--show", str(self.image)).strip()
        try:
            name = Path(device).name
            if self._direct_io and Path(f"/sys/block/{name}/loop/dio").read_text().strip() != "1":
                pytest.skip("LOOP DEVICES HAVE NO DIRECT I/O HERE: the power cuts were NOT tested")
            _run("mount", "-t", "ext4", "-o", options, device, str(self.path))
            self._device = name
        finally:
            _run("losetup", "--detach", device)  # takes effect on unmounting

    def remount(self, options: str) -> None:
        _run("mount", "-o", f"remount,{options}", str(self.path))

    def unmount(self) -> None:
        """Unmount if mounted; whoever still uses it has a few seconds to go."""
        if self._device:
            unmount(self.path)
            self._device = ""

    def flush(self) -> None:
        """All that was written so far reaches the image, as on a server that has been idle for a minute."""
        _run("sync", "--file-system", str(self.path))

    def snapshot(self, copy: Path) -> None:
        """Copy the image in a moment in which nothing was written to it.

        Raises:
            RuntimeError: there was none for some seconds; whoever writes has to be stopped first.
        """
        deadline = time.monotonic() + _QUIET_SECONDS
        while time.monotonic() < deadline:
            before = self._written()
            _run("cp", "--sparse=always", "--reflink=never", str(self.image), str(copy))
            if before is not None and before == self._written():
                return
            time.sleep(0.02)
        raise RuntimeError(f"the disk was never quiet for the time of a copy ({_QUIET_SECONDS:.0f} s tried)")

    def _written(self) -> tuple[str, ...] | None:
        """The device's counters of writes, discards and flushes; None while a request is under way."""
        fields = Path(f"/sys/block/{self._device}/stat").read_text().split()
        if fields[8] != "0":  # in flight (Documentation/block/stat.rst)
            return None
        return (*fields[4:7], *fields[11:14], *fields[15:16])

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()


class CuttableDisk:
    """A disk with a volatile cache, whose power can be cut; programs see it at ``path``."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._plate = LoopDisk(image, mounted_at=folder / "plate")
        self._cached = LoopDisk(folder / "plate" / "disk.img", mounted_at=folder / "disk", direct_io=False)

    @property
    def path(self) -> Path:
        return self._cached.path

    def format(self, size: int) -> None:
        self._plate.format(size)
        with self._plate:
            self._cached.format(size - size // 8)

    def mount(self) -> None:
        self._plate.mount()
        try:
            self._cached.mount()
        except BaseException:
            self._plate.unmount()
            raise

    def unmount(self) -> None:
        self._cached.unmount()
        self._plate.unmount()

    def flush(self) -> None:
        """All that was written so far survives a cut, as on a server that has been idle for a minute."""
        self._cached.flush()
        self._plate.flush()

    def cut(self, copy: Path, folder: Path) -> "CuttableDisk":
        """The disk as a power cut at this moment would leave it. Stop whoever writes first."""
        self._plate.snapshot(copy)
        return CuttableDisk(copy, folder)

    def discard(self) -> None:
        self._plate.image.unlink(missing_ok=True)


@contextlib.contextmanager
def small_tmpfs(path: Path, *, size: int, inodes: int = 0) -> Iterator[Path]:
    """A memory filesystem of ``size`` bytes (and at most ``inodes`` files) at ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    limit = f",nr_inodes={inodes}" if inodes else ""
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700{limit}", "tmpfs", str(path))
    try:
        yield path
    finally:
        unmount(path)


def unmount(path: Path) -> None:
    for _ in range(50):
        done = subprocess.run(["umount", str(path)], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            return
        time.sleep(0.1)
    _run("umount", "--lazy", str(path))
    raise RuntimeError(f"{path} was still in use after 5 s: {done.stderr.strip()}")


def fill(path: Path) -> None:
    """Take all the room there is on the filesystem of ``path`` into one file there; removing it gives it
    back.
    """
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            block = bytes(size)
            try:
                while file.write(block) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def wait_until_stopped(pid: int, seconds: float = 5.0) -> None:
    """Return once no thread of ``pid`` runs or waits for a disk."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        states = {
            task.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{pid}/task").iterdir()
        }
        if states <= {"T", "t"}:
            return
        time.sleep(0.005)
    raise RuntimeError(f"process {pid} did not stop within {seconds:.0f} s")


def _run(*command: str) -> str:
    done = subprocess.run([require_program(command[0]), *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
