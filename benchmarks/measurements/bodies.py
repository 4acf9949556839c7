"""Bodies, sent to any server: one large one for P1, P2 and P7, the beginnings of many for P4 and P4s."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from benchmarks.figures import Sample
from benchmarks.peers.base import Server
from benchmarks.rounds import COLD, WARM
from benchmarks.scale import GIB, KIB

NEVER_SYNCED = "never fsyncs"
_BEGUN_BYTES = 64 * KIB


def send_body(server: Server, length: int) -> Sample:
    """MB/s of one body of ``length`` bytes, answered and found in the server's files."""
    source = server.workbench.source(length)
    server.workbench.warm_up_memory(length)
    with server.connect() as connection:
        target = server.peer.target(connection, length)
        worked = server.process.cpu_seconds()
        seconds = connection.send(target, source)
        worked = server.process.cpu_seconds() - worked
    server.check_stored(length)
    return Sample(length / seconds / 1e6, {"seconds": seconds, "cpu_s": worked})


def cold(server: Server, length: int) -> Mapping[str, Sample]:
    """The first body of the process's life."""
    return {COLD: send_body(server, length)}


def cold_and_warm(server: Server, length: int) -> Mapping[str, Sample]:
    """The first body of the process's life, and the second."""
    return {COLD: send_body(server, length), WARM: send_body(server, length)}


def begin_uploads(server: Server, count: int) -> list[PurePosixPath]:
    """Paths of ``count`` uploads that have some bytes and want many more."""
    source = server.workbench.source(_BEGUN_BYTES)
    paths = []
    with server.connect() as connection:
        for _ in range(count):
            target = server.peer.target(connection, GIB)
            connection.send(target, source)
            paths.append(PurePosixPath(target.path))
    return paths
