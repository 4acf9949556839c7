"""P10: one server process and two on one PostgreSQL, small chunks and whole files; who has the CPUs meanwhile.

The client and the database work on the same machine. Where that has two cores, two processes can be no faster than
what one of them leaves unused: so each row says how many cores servers, database and client kept busy.
"""

import resource
import time
from collections.abc import Callable, Mapping

from benchmarks.figures import OURS, Failed, Findings, Missing, Row, Sample, compare, find
from benchmarks.load.programs import run_client
from benchmarks.measurements.bodies import NEVER_SYNCED
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.nginx import NginxPeer
from benchmarks.peers.postgres import Postgres, postgres
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import MIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P10"
TITLE = "one process and two, on PostgreSQL, each acknowledgement synced and committed (DURABILITY=ack)"
MEMORY_BYTES = 1024 * MIB  # more than any server here writes in the time
_CHUNKS, _FILES = "tus_chunks.c", "whole_files.c"
TWO = f"{OURS}, two processes"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    connections = max(scale.chunk_connections)
    for source in (_CHUNKS, _FILES):
        workbench.program(f"load/{source}")  # to compile them is none of the client's work
    try:
        with postgres() as database, workbench.putting_off_removal():
            chunks = _chunks(workbench, scale, database, connections)
            files = _files(workbench, scale, database, connections)
    except Missing as reason:
        return Findings([Row(NAME, "two processes", "PostgreSQL", "chunks/s", missing=str(reason))])
    verdicts = [
        *compare(find(chunks, TWO), find(chunks, OURS), must=1.6, goal=2.0),
        *compare(find(files, TWO), find(files, OURS)),
        *compare(find(files, TWO), find(files, NginxPeer.name)),
    ]
    return Findings([*chunks, *files], verdicts)


def _chunks(workbench: Workbench, scale: Scale, database: Postgres, connections: int) -> list[Row]:
    def load(server: Server) -> Mapping[str, float]:
        arguments = (scale.chunk_bytes, connections, scale.chunk_seconds, scale.chunk_upload_bytes)
        return run_client(workbench, _CHUNKS, server.port, server.peer.uploads_path or "", *arguments)

    return paired_rounds(
        _ours(database, load, scale.chunk_bytes),
        measurement=NAME,
        case=f"{size(scale.chunk_bytes)} chunks, {connections} connections",
        unit="chunks/s",
        rounds=scale.rounds,
        workbench=workbench,
    )


def _files(workbench: Workbench, scale: Scale, database: Postgres, connections: int) -> list[Row]:
    def to(path: str) -> Callable[[Server], Mapping[str, float]]:
        arguments = (path, scale.file_bytes, connections, scale.file_seconds)
        return lambda server: run_client(workbench, _FILES, server.port, "put", *arguments)

    nginx = _measured(to("/"), scale.file_bytes, database)
    return paired_rounds(
        [
            *_ours(database, to("/upload/"), scale.file_bytes),
            Contender(NginxPeer.name, NginxPeer(), nginx, f"one worker, no database, {NEVER_SYNCED}"),
        ],
        measurement=NAME,
        case=f"PUT of {size(scale.file_bytes)}, {connections} connections",
        unit="files/s",
        rounds=scale.rounds,
        workbench=workbench,
    )


def _ours(database: Postgres, load: Callable[[Server], Mapping[str, float]], each_bytes: int) -> list[Contender]:
    measured = _measured(load, each_bytes, database)
    one = LongshorePeer("ack", database_url=database.new_database)
    two = LongshorePeer("ack", database_url=database.new_database, processes=2)
    return [Contender(OURS, one, measured, "durable"), Contender(TWO, two, measured, "durable")]


def _measured(
    load: Callable[[Server], Mapping[str, float]], each_bytes: int, database: Postgres
) -> Callable[[Server], Mapping[str, Sample]]:
    def measure_once(server: Server) -> Mapping[str, Sample]:
        server.workbench.warm_up_memory(MEMORY_BYTES)
        before, began = _worked(server, database), time.monotonic()
        seen = load(server)
        seconds, after = time.monotonic() - began, _worked(server, database)
        if not seen["requests"]:
            raise Failed("not one was acknowledged")
        server.check_stored(int(seen["requests"]) * each_bytes)
        cores = {f"{who}_cores": (after[who] - before[who]) / seconds for who in before}
        details = {name: seen[name] for name in ("p50_ms", "p99_ms", "errors")}
        worked = (after["server"] - before["server"]) / seen["requests"] * 1e3
        return {COLD: Sample(seen["requests_per_second"], {**details, "cpu_ms_each": worked, **cores})}

    return measure_once


def _worked(server: Server, database: Postgres) -> dict[str, float]:
    """CPU seconds so far; the client's are those of programs that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "server": server.process.cpu_seconds(),
        "database": database.process.cpu_seconds(),
        "client": ended.ru_utime + ended.ru_stime,
    }
