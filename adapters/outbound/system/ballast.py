"""Room that nobody else can take: a file that is made smaller when the database has nothing else left to write to."""

import os
import time
from contextlib import suppress
from pathlib import Path

from adapters.outbound.system.disks import figures_of

_MOST_BYTES = 8 * 1024**2
# What has to be free before the database writes: SQLite's shared index (32 KiB), and many times a transaction.
_NEEDED_BYTES = 512 * 1024
_LEAST_BYTES = 64 * 1024
_BLOCK_BYTES = 1024 * 1024
_LOOK_SECONDS = 0.05


class Ballast:
    """On the disk of the folder that ``path`` is in. As large as what is to be left there, 8 MiB at most.

    In any thread, and in several processes at once.
    """

    def __init__(self, path: Path, *, least: int | None = None) -> None:
        self._path = path
        self._least = least
        self._look_at = 0.0

    def give_way(self) -> bool:
        """Have some room where there is little; return whether there was. To be called before each write."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        disk = figures_of(self._path.parent)
        if disk is None or disk.free >= min(_NEEDED_BYTES, self._whole() // 2):
            return False
        self.give_up_some()
        return True

    def give_up_some(self) -> bool:
        """Have some more room; return whether there was some to be had.

        One half goes at a time, so that the next need finds some, too: whoever filled the disk may go on with it.
        """
        size = self._size()
        with suppress(OSError):
            os.truncate(self._path, size // 2 if size >= 2 * _LEAST_BYTES else 0)
        return size > 0

    def restore(self) -> None:
        """Make it whole, if there is room for it beside what is to be left."""
        disk = figures_of(self._path.parent)
        missing = self._whole() - self._size()
        if disk is None or not 0 < missing <= disk.left(self._least):
            return
        with suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                _allocate(fd, self._whole())
            finally:
                os.close(fd)

    def _whole(self) -> int:
        disk = figures_of(self._path.parent)
        return 0 if disk is None else min(_MOST_BYTES, disk.least(self._least))

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


def _allocate(fd: int, size: int) -> None:
    """Really: a file with holes would hold no room."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    for at in range(os.fstat(fd).st_size, size, _BLOCK_BYTES):
        os.pwrite(fd, bytes(min(_BLOCK_BYTES, size - at)), at)
