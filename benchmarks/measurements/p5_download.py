"""P5: how fast a stored file goes out, beside nginx's sendfile; the file is in the page cache for both."""

import shutil
from collections.abc import Mapping

from benchmarks.figures import OURS, Findings, Sample, compare, find
from benchmarks.load.programs import run_client
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.nginx import NginxPeer
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import Scale, size
from benchmarks.workbench import Workbench

NAME = "P5"
TITLE = "download of a large file"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    def uploaded(server: Server) -> Mapping[str, Sample]:
        with server.connect() as connection:
            target = server.peer.target(connection, scale.body_bytes)
            connection.send(target, workbench.source(scale.body_bytes))
        return {COLD: _download(server, target.path)}

    def laid_out(server: Server) -> Mapping[str, Sample]:
        shutil.copyfile(workbench.source(scale.body_bytes), NginxPeer.files(server.folder) / "body")
        return {COLD: _download(server, "/body")}

    contenders = [
        Contender(OURS, LongshorePeer("none"), uploaded, "GET of the upload it received"),
        Contender(NginxPeer.name, NginxPeer(), laid_out, "sendfile"),
    ]
    rows = paired_rounds(
        contenders,
        measurement=NAME,
        case=size(scale.body_bytes),
        unit="MB/s",
        rounds=scale.rounds,
        workbench=workbench,
    )
    return Findings(rows, compare(find(rows, OURS), find(rows, NginxPeer.name), must=0.8, goal=0.95))


def _download(server: Server, path: str) -> Sample:
    seen = run_client(server.workbench, "drain.c", server.port, path)
    return Sample(seen["bytes"] / seen["seconds"] / 1e6, {"seconds": seen["seconds"]})
