"""What every server under test has in common, so that client, body and disk are the same for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks.figures import Failed
from benchmarks.load.client import Connection, Target
from benchmarks.processes import ServerProcess, accepts_connections, free_port, serving
from benchmarks.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started."""

    arguments: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


class Peer(ABC):
    """A server that can be put under load. It keeps what it receives below the folder it is given."""

    name: ClassVar[str]
    uploads_path: ClassVar[str | None] = None
    """Where it creates tus uploads; ``None``: it only takes a plain PUT."""

    @abstractmethod
    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        """The command that serves on ``port``.

        Raises:
            Missing: something that it needs is not on this machine.
        """

    @abstractmethod
    def version(self, workbench: Workbench) -> str:
        """What exactly was measured; called only for peers that ran."""

    def is_ready(self, port: int) -> bool:
        return accepts_connections(port)

    def target(self, connection: Connection, length: int) -> Target:
        """Where one body of ``length`` bytes goes: a newly created upload, or a new name to PUT."""
        if self.uploads_path is None:
            return Target("PUT", "/body")
        return connection.create_upload(self.uploads_path, length)


@dataclass(frozen=True, slots=True)
class Server:
    """A running peer."""

    peer: Peer
    process: ServerProcess
    port: int
    folder: Path
    workbench: Workbench

    def connect(self) -> Connection:
        return Connection(self.port)

    def check_stored(self, length: int) -> None:
        """A fast answer is worth nothing unless the bytes are in its files."""
        stored = 0
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):  # it had two names, and loses one just now
                stored += path.stat().st_size if path.is_file() else 0
        if stored < length:
            raise Failed(f"answered success for {length} bytes, but its files hold {stored}")


@contextmanager
def running(peer: Peer, workbench: Workbench) -> Iterator[Server]:
    """A fresh process of ``peer`` with an empty folder; both are gone afterwards."""
    with workbench.fresh_folder() as folder:
        data = folder / "data"
        data.mkdir()
        port = free_port()
        command = peer.command(workbench, data, port)
        with serving(command.arguments, folder=data, environment=command.environment, log=folder / "log") as process:
            process.wait_until(lambda: peer.is_ready(port))
            yield Server(peer, process, port, data, workbench)
