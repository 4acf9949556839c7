"""Who holds a lease, told so that a neighbour on the same machine can see whether that one still lives."""

import os
import platform
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc/self/stat")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """``host`` is the same for all processes that see each other's process ids, and only for those.

    ``started`` tells two processes apart that had the same id one after the other; empty where the system
    does not say. ``instance`` tells locks of one process apart.
    """

    host: str
    pid: int
    started: str
    instance: str

    @classmethod
    def here(cls) -> Self:
        pid = os.getpid()
        return cls(_host(), pid, _started(pid) or "", secrets.token_hex(8))

    @classmethod
    def parse(cls, text: str) -> "ProcessIdentity | None":
        """None for anything but the text of one."""
        words = text.split("|")
        if len(words) != 4 or not words[1].isdecimal():
            return None
        return ProcessIdentity(words[0], int(words[1]), words[2], words[3])

    def __str__(self) -> str:
        return f"{self.host}|{self.pid}|{self.started}|{self.instance}"

    def knows_alive(self, other: "ProcessIdentity | None") -> bool:
        """Whether ``other`` is surely a living process of this host."""
        return other is not None and other.host == self.host and _is_alive(other) is True

    def knows_dead(self, other: "ProcessIdentity | None") -> bool:
        """Whether ``other`` was surely a process of this host and is no more."""
        return other is not None and other.host == self.host and _is_alive(other) is False


def _is_alive(process: ProcessIdentity) -> bool | None:
    """None: there is no telling just now, for want of descriptors or of rights."""
    try:
        started = _started(process.pid)
    except OSError:
        return None
    if started is not None:
        return process.started in ("", started)
    return not _PROC.exists() and _answers(process.pid)


def _host() -> str:
    try:
        # Process ids mean the same only within one boot and one pid namespace (a container has its own).
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node().replace("|", "")


def _started(pid: int) -> str | None:
    """When the process began, in ticks since the boot; None if there is none, or no ``/proc``."""
    try:
        # The name in parentheses may hold anything; fields 3 (state) and 22 (start) follow the last one.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):  # killed, and only its parent has not looked yet
        return None
    return fields[19].decode()


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
