"""P3: small chunks on many connections, ours each durable before its answer, the peers' never."""

from collections.abc import Mapping

from benchmarks.figures import OURS, Failed, Findings, Row, Sample, Verdict, compare, find
from benchmarks.load.programs import run_client
from benchmarks.measurements.bodies import NEVER_SYNCED
from benchmarks.peers.base import Server
from benchmarks.peers.fastapi_stream import FastApiStreamPeer
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.tus_node import TusNodePeer
from benchmarks.rounds import COLD, WARM, Contender, paired_rounds
from benchmarks.scale import MIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P3"
MEMORY_BYTES = 512 * MIB  # more than any server here writes in the time
TITLE = "small chunks, ours each synced and committed before its answer (DURABILITY=ack)"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for connections in scale.chunk_connections:
        found = _with_connections(workbench, scale, connections)
        rows += found
        ours, ours_warm = find(found, OURS), find(found, OURS + WARM)
        verdicts += [
            *compare(ours, find(found, TusNodePeer.name), must=4.5, goal=7.0),
            *compare(ours_warm, find(found, TusNodePeer.name + WARM)),
            *compare(ours, find(found, FastApiStreamPeer.name), must=0.9, goal=1.2),
            *compare(ours_warm, find(found, FastApiStreamPeer.name + WARM)),
        ]
    return Findings(rows, verdicts)


def _with_connections(workbench: Workbench, scale: Scale, connections: int) -> list[Row]:
    def send_chunks(server: Server) -> Mapping[str, Sample]:
        return {
            COLD: _send_chunks(server, scale, connections),
            WARM: _send_chunks(server, scale, connections),
        }

    contenders = [
        Contender(OURS, LongshorePeer("ack"), send_chunks, "durable"),
        Contender(TusNodePeer.name, TusNodePeer(), send_chunks, NEVER_SYNCED),
        Contender(FastApiStreamPeer.name, FastApiStreamPeer(), send_chunks, f"no database, {NEVER_SYNCED}"),
    ]
    return paired_rounds(
        contenders,
        measurement=NAME,
        case=f"{size(scale.chunk_bytes)}, {connections} connections",
        unit="chunks/s",
        rounds=scale.rounds,
        workbench=workbench,
    )


def _send_chunks(server: Server, scale: Scale, connections: int) -> Sample:
    server.workbench.warm_up_memory(MEMORY_BYTES)
    worked = server.process.cpu_seconds()
    seen = run_client(
        server.workbench,
        "tus_chunks.c",
        server.port,
        server.peer.uploads_path or "",
        scale.chunk_bytes,
        connections,
        scale.chunk_seconds,
        scale.chunk_upload_bytes,
    )
    worked = server.process.cpu_seconds() - worked
    if not seen["requests"]:
        raise Failed("not one chunk was acknowledged")
    server.check_stored(int(seen["requests"]) * scale.chunk_bytes)
    details = {name: seen[name] for name in ("p50_ms", "p99_ms", "errors")}
    return Sample(seen["requests_per_second"], {**details, "cpu_ms_each": worked / seen["requests"] * 1e3})
