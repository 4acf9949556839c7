"""The limit of the machine: a C program that splices a socket into a file and does nothing else."""

from pathlib import Path

from benchmarks.peers.base import Command, Peer
from benchmarks.workbench import Workbench


class SplicePeer(Peer):
    """Every ``sync_every`` bytes are synced before more are taken (0: never): a durable server's limit."""

    name = "raw C splice"

    def __init__(self, sync_every: int = 0) -> None:
        self._sync_every = sync_every

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        program = workbench.program("peers/splice.c")
        return Command([program, str(port), folder / "body", str(self._sync_every)])

    def version(self, workbench: Workbench) -> str:
        return "benchmarks/peers/splice.c"
