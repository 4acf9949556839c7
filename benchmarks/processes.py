"""Server processes: started on a free port, watched, measured, ended by their ids. Linux only (/proc)."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Failed

READY_SECONDS = 60.0
STOP_SECONDS = 35.0  # Longshore lets running requests end for 30 s at most


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of a process and its children, now and at their highest since ``forget_peak``."""

    now: int
    peak: int


class ServerProcess:
    """One running server and the children that it started."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self._popen = popen
        self._log = log

    def family(self) -> list[int]:
        return family_of(self._popen.pid)

    def cpu_seconds(self) -> float:
        """What it and its children have worked so far, in user and system mode: little disturbed by neighbours."""
        return sum(map(cpu_seconds_of, self.family()))

    def memory(self) -> Memory:
        readings = [memory_of(pid) for pid in self.family()]
        return Memory(sum(each.now for each in readings), sum(each.peak for each in readings))

    def forget_peak(self) -> None:
        """Let the peak start again from the present reading (proc(5), clear_refs)."""
        for pid in self.family():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if self._popen.poll() is not None:
                raise Failed(f"ended with status {self._popen.returncode} at its start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise Failed(f"was not ready after {READY_SECONDS:.0f} s: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def stop(self) -> None:
        """End it, and whatever it leaves behind, by id."""
        children = {pid: _started(pid) for pid in self.family()[1:]}
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid, started in children.items():
            # an id may belong to someone else by now: the start time tells
            if started and _started(pid) == started:
                os.kill(pid, signal.SIGKILL)


@contextmanager
def serving(
    arguments: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    account: str | None = None,
) -> Iterator[ServerProcess]:
    """The server that ``arguments`` start, working in ``folder``, until the block ends; ``account``: whose name it runs
    under, if not ours."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account,
            extra_groups=None if account is None else [],
        )
    process = ServerProcess(popen, log)
    try:
        yield process
    finally:
        process.stop()


def family_of(pid: int) -> list[int]:
    """Its id and its children's, the whole tree down."""
    ids = [pid]
    for each in ids:
        ids.extend(_children(each))
    return ids


def cpu_seconds_of(pid: int) -> float:
    """What this process alone has worked so far."""
    fields = _stat(pid)
    return sum(int(fields[at]) for at in (11, 12)) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def memory_of(pid: int) -> Memory:
    """Of this process alone."""
    status = _status(pid)
    return Memory(status.get("VmRSS", 0) * 1024, status.get("VmHWM", 0) * 1024)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.extend(int(child) for child in thread.read_text().split())
        except OSError:  # the thread ended meanwhile
            continue
    return found


def _status(pid: int) -> dict[str, int]:
    """The kB fields of /proc/<pid>/status; empty once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}


def _started(pid: int) -> str:
    """When ``pid`` started, in ticks since boot; empty when it is gone or only waits to be reaped."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on (proc(5): the third); empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
