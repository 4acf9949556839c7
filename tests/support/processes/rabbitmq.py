"""A real RabbitMQ for the tests: Debian's, a node of its own with its own port mapper. Its queues outlive a stop."""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess
from tests.support.until import becomes

_BINARIES = Path("/usr/lib/rabbitmq/bin")  # what is on PATH changes the account, and with it the folders
_START_SECONDS = 60.0


class RabbitMissing(Exception):
    """No RabbitMQ on this machine."""


class RabbitServer:
    """Runs from ``with`` until its end, but between ``stop()`` and ``start()``. It needs some seconds to start."""

    def __init__(self) -> None:
        """Raises:
        RabbitMissing
        """
        program, mapper = _BINARIES / "rabbitmq-server", shutil.which("epmd")
        if not program.exists() or mapper is None:
            raise RabbitMissing(f"no {program}, or no epmd on PATH")
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="longshore-rabbitmq-"))
        mapper_port = free_port()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home),
            "ERL_EPMD_PORT": str(mapper_port),
            "RUNNING_UNDER_SYSTEMD": "1",  # else its script stays before it, and the process is not the node
            "RABBITMQ_NODENAME": f"test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.home),
            "RABBITMQ_LOG_BASE": str(self.home),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1 +sbwt none",  # a small one, that is idle when it is
        }
        self._mapper = ChildProcess([mapper, "-port", str(mapper_port)], name="epmd", cwd=self.home)
        self.process = ChildProcess(
            [program], name="rabbitmq", cwd=self.home, environment=environment, log_path=self.home / "log"
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        if not self.process.alive:
            self.process.launch()
        if not becomes(lambda: listens(self.port), within=_START_SECONDS, every=0.1):
            raise RuntimeError(f"rabbitmq did not start\n{self.process.log_tail()}")

    def stop(self) -> None:
        """At once, as by a power cut: to go in order takes it seconds."""
        self.process.kill()

    def __enter__(self) -> Self:
        self._mapper.launch()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._mapper.kill()
        shutil.rmtree(self.home, ignore_errors=True)
