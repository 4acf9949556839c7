"""A computer whose power can be cut: one disk, one server on it, and the same server again after the next
boot.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.chaos.rig.client import ResumingUpload
from tests.chaos.rig.disk import CuttableDisk, wait_until_stopped


class Server(Protocol):
    """What a machine needs of the server on it; ``tests.support.processes.server.ServerProcess`` has it."""

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int: ...

    def start(self) -> float: ...

    def kill(self) -> None: ...


class Machine:
    """``make_server`` gets the data folder (on the disk) and returns a server that is not running yet."""

    def __init__(self, folder: Path, make_server: Callable[[Path], Server], *, disk_size: int) -> None:
        self._folder = folder
        self._make_server = make_server
        self._cuts = 0
        self.disk = CuttableDisk(folder / "disk-0.img", folder / "boot-0")
        self.disk.format(disk_size)
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        assert self._server is not None, "the machine was never booted"
        return self._server

    @property
    def data_dir(self) -> Path:
        return self.disk.path / "data"

    def boot(self) -> None:
        self.disk.mount()
        self.data_dir.mkdir(exist_ok=True)
        self._server = self._make_server(self.data_dir)
        self._server.start()

    def cut_power(self) -> None:
        """Lose all that the disk has not got, and boot from what is left. The server must stand still
        already.
        """
        wait_until_stopped(self.server.pid)
        self._cuts += 1
        after = self.disk.cut(self._folder / f"disk-{self._cuts}.img", self._folder / f"boot-{self._cuts}")
        self._put_away()
        self.disk = after
        self.boot()

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self._put_away()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_away()

    def _put_away(self) -> None:
        try:
            if self._server is not None:
                self._server.kill()
        finally:
            self.disk.unmount()
            self.disk.discard()


class StopAfter:
    """Stops a process (SIGSTOP) in the very moment an acknowledgement reaches its client.

    Pass it as ``on_acknowledgement`` to uploads that share ``gate``: it is closed with the stop, so that the
    clients wait for the next boot instead of running into the dead server.
    """

    def __init__(self, gate: threading.Event) -> None:
        self.stopped = threading.Event()
        self._gate = gate
        self._lock = threading.Lock()
        self._pid = 0
        self._left = 0
        self._completions_only = False

    def arm(self, pid: int, *, acknowledgements: int, completions_only: bool = False) -> None:
        """Stop ``pid`` at the n-th acknowledgement from now (of a last byte, with ``completions_only``)."""
        with self._lock:
            self.stopped.clear()
            self._pid, self._left, self._completions_only = pid, acknowledgements, completions_only

    def __call__(self, upload: ResumingUpload) -> None:
        with self._lock:
            if self._left == 0 or (self._completions_only and upload.promised < upload.content.length):
                return
            self._left -= 1
            if self._left == 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGSTOP)
                self._gate.clear()
                self.stopped.set()
