"""The room on the disks that bytes and records are kept on, some of which is always left: docs/settings.md, Room."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.outbound.system.ballast import Ballast
from adapters.outbound.system.disks import figures_of
from domain.errors import StorageFull
from domain.size import MAX_SIZE
from ports.room import Room

log = logging.getLogger(__name__)


class DiskRoom(Room):
    """``filled``: the folders that the bytes go to; ``beside``: those whose disks have to have room, too. One that is
    away is left out of account.

    ``least``: bytes that are to be left on each disk; None: as ``Disk.least`` has it. ``ballast``: made whole again
    whenever there is room for it. ``fresh_seconds``: how long what was found is gone by, less what was let in since.
    """

    def __init__(
        self,
        filled: Sequence[Path],
        beside: Sequence[Path] = (),
        *,
        least: int | None = None,
        ballast: Ballast | None = None,
        fresh_seconds: float = 0.2,
    ) -> None:
        self._filled = filled
        self._beside = beside
        self._least = least
        self._ballast = ballast
        self._fresh_seconds = fresh_seconds
        self._left = 0
        self._fresh_until = float("-inf")
        self._is_full = False

    async def check(self, size: int) -> int:
        now = time.monotonic()
        if size > self._left:
            await self.look()
        elif now >= self._fresh_until:
            self._fresh_until = now + self._fresh_seconds  # one looks; the others go by what was there before
            await self.look()
        if size > self._left:
            raise StorageFull("less room would be left on the disk than has to be")
        left = self._left
        self._left -= size
        return left

    async def look(self) -> None:
        """See how much is left now. The log is told where that has come to an end, and where there is room again."""
        self._left = await asyncio.to_thread(self._measure)
        self._fresh_until = time.monotonic() + self._fresh_seconds
        if self._is_full != (self._left < 0):
            self._is_full = not self._is_full
            self._tell()

    def _measure(self) -> int:
        if self._ballast is not None:
            self._ballast.restore()
        left, left_beside = self._left_on(self._filled), self._left_on(self._beside)
        return left if left_beside >= 0 else min(left, left_beside)

    def _left_on(self, folders: Sequence[Path]) -> int:
        disks = map(figures_of, folders)
        return min((disk.left(self._least) for disk in disks if disk is not None), default=MAX_SIZE)

    def _tell(self) -> None:
        if self._is_full:
            log.warning("the disk is full: no bytes are taken until there is room again; all else goes on")
        else:
            log.warning("there is room on the disk again: bytes are taken")
