"""How large a disk is, and how much of it is free, and of that to be left."""

import os
from dataclasses import dataclass
from pathlib import Path

_LEAST_BYTES = 256 * 1024**2
_LEAST_PART = 20  # of a small disk: 5 %


@dataclass(frozen=True, slots=True)
class Disk:
    size: int
    free: int
    """For us: what is kept for the system's administrator is not."""

    def least(self, told: int | None) -> int:
        """How many bytes are to be left, whoever wants them: 256 MiB, or 5 % of a small disk, unless one is told."""
        return min(_LEAST_BYTES, self.size // _LEAST_PART) if told is None else told

    def left(self, told: int | None) -> int:
        """How many bytes more may come; less than none where too many have."""
        return self.free - self.least(told)


def figures_of(folder: Path) -> Disk | None:
    """None where nobody can tell: it is away, or has no measure, as some network filesystems."""
    try:
        figures = os.statvfs(folder)
    except OSError:
        return None
    size = figures.f_blocks * figures.f_frsize
    return Disk(size, figures.f_bavail * figures.f_frsize) if size else None
