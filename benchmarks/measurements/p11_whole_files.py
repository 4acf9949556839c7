"""P11: whole files, a request each: a folder of photos. Ours are durable before their answer, the peers' never."""

from collections.abc import Callable, Mapping

from benchmarks.figures import OURS, Failed, Findings, Row, Sample, Verdict, compare, find
from benchmarks.load.programs import run_client
from benchmarks.measurements.bodies import NEVER_SYNCED
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.nginx import NginxPeer
from benchmarks.peers.tus_node import TusNodePeer
from benchmarks.rounds import COLD, WARM, Contender, paired_rounds
from benchmarks.scale import MIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P11"
MEMORY_BYTES = 1024 * MIB  # more than any server here writes in the time
TITLE = "whole files, a request each, ours each synced and committed before its answer (DURABILITY=ack)"
PUT = " PUT"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    with workbench.putting_off_removal():
        return _measure(workbench, scale)


def _measure(workbench: Workbench, scale: Scale) -> Findings:
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for connections in scale.chunk_connections:
        found = _with_connections(workbench, scale, connections)
        rows += found
        tus, put, nginx = find(found, OURS), find(found, OURS + PUT), find(found, NginxPeer.name + PUT)
        is_crowd = connections == max(scale.chunk_connections)
        verdicts += [
            *compare(tus, find(found, TusNodePeer.name), must=2.0 if is_crowd else 1.5, goal=3.0),
            *compare(find(found, OURS + WARM), find(found, TusNodePeer.name + WARM)),
            *(compare(put, nginx, must=0.3, goal=0.5) if is_crowd else compare(put, nginx)),
        ]
    return Findings(rows, verdicts)


def _with_connections(workbench: Workbench, scale: Scale, connections: int) -> list[Row]:
    def sends(dialect: str, path: str) -> Callable[[Server], Mapping[str, Sample]]:
        def send(server: Server) -> Mapping[str, Sample]:
            return {
                COLD: _send_files(server, scale, connections, dialect, path),
                WARM: _send_files(server, scale, connections, dialect, path),
            }

        return send

    contenders = [
        Contender(OURS, LongshorePeer("ack"), sends("tus", "/uploads"), "durable"),
        Contender(TusNodePeer.name, TusNodePeer(), sends("tus", TusNodePeer.uploads_path), NEVER_SYNCED),
        Contender(OURS + PUT, LongshorePeer("ack"), sends("put", "/upload/"), "durable"),
        Contender(NginxPeer.name + PUT, NginxPeer(), sends("put", "/"), f"no database, {NEVER_SYNCED}"),
    ]
    return paired_rounds(
        contenders,
        measurement=NAME,
        case=f"{size(scale.file_bytes)}, {connections} connections",
        unit="files/s",
        rounds=scale.rounds,
        workbench=workbench,
    )


def _send_files(server: Server, scale: Scale, connections: int, dialect: str, path: str) -> Sample:
    server.workbench.warm_up_memory(MEMORY_BYTES)
    worked = server.process.cpu_seconds()
    seen = run_client(
        server.workbench,
        "whole_files.c",
        server.port,
        dialect,
        path,
        scale.file_bytes,
        connections,
        scale.file_seconds,
    )
    worked = server.process.cpu_seconds() - worked
    if not seen["requests"]:
        raise Failed("not one file was acknowledged")
    server.check_stored(int(seen["requests"]) * scale.file_bytes)
    details = {name: seen[name] for name in ("p50_ms", "p99_ms", "errors")}
    return Sample(seen["requests_per_second"], {**details, "cpu_ms_each": worked / seen["requests"] * 1e3})
