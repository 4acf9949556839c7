"""P7: how much the server grows over its idle self: a large body, many slow uploads, many idle WebSockets.

Resident memory of the process and its children, the highest reading while the load is there. The reference
Node server is measured beside it where it offers the same, for scale; it has no target.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import PurePosixPath

from benchmarks.figures import OURS, Failed, Findings, Row, Sample, find, within
from benchmarks.load.slow_uploads import slow_uploads
from benchmarks.load.websockets import descriptor_room, idle_websockets
from benchmarks.measurements.bodies import NEVER_SYNCED, send_body
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.tus_node import TusNodePeer
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import GIB, KIB, MIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P7"
TITLE = "memory: growth of the resident set over the idle server"

Load = Callable[[Server], AbstractContextManager[None] | None]


def measure(workbench: Workbench, scale: Scale) -> Findings:
    found = [_body(workbench, scale), _slow_uploads(workbench, scale), _websockets(workbench, scale)]
    return Findings(
        [row for findings in found for row in findings.rows],
        [verdict for findings in found for verdict in findings.verdicts],
    )


def _body(workbench: Workbench, scale: Scale) -> Findings:
    def load(server: Server) -> None:
        send_body(server, scale.body_bytes)

    rows = _rows(workbench, scale, f"a body of {size(scale.body_bytes)}", load)
    return Findings(rows, within(find(rows, OURS), must=60, goal=20))


def _slow_uploads(workbench: Workbench, scale: Scale) -> Findings:
    count = descriptor_room(scale.slow_uploads)

    def load(server: Server) -> AbstractContextManager[None]:
        path = server.peer.uploads_path or ""
        return slow_uploads(server.port, path, count, seconds=scale.slow_seconds)

    case = _scaled(f"{count:,} slow uploads", count, scale.slow_uploads)
    rows = _rows(workbench, scale, case, load)
    return Findings(rows, within(find(rows, OURS), must=300, goal=150))


def _websockets(workbench: Workbench, scale: Scale) -> Findings:
    count = descriptor_room(scale.websockets)

    def load(server: Server) -> AbstractContextManager[None]:
        with server.connect() as connection:
            watched = PurePosixPath(server.peer.target(connection, GIB).path).name
        path = f"/ws/progress?upload_id={watched}"
        return idle_websockets(server.port, path, count, seconds=scale.idle_seconds)

    def each_one(server: Server) -> Mapping[str, Sample]:
        growth = _growth(server, load)
        return {COLD: Sample(growth.value * MIB / KIB / count, {**growth.details, "growth_mib": growth.value})}

    case = _scaled(f"each of {count:,} idle WebSockets", count, scale.websockets)
    rows = paired_rounds(
        [Contender(OURS, LongshorePeer(), each_one, "all watching one quiet upload")],
        measurement=NAME,
        case=case,
        unit="KiB",
        rounds=scale.memory_rounds,
        workbench=workbench,
    )
    return Findings(rows, within(find(rows, OURS), must=20, goal=12))


def _rows(workbench: Workbench, scale: Scale, case: str, load: Load) -> list[Row]:
    def growth(server: Server) -> Mapping[str, Sample]:
        return {COLD: _growth(server, load)}

    contenders = [
        Contender(OURS, LongshorePeer(), growth, "durable"),
        Contender(TusNodePeer.name, TusNodePeer(), growth, f"for scale; {NEVER_SYNCED}"),
    ]
    return paired_rounds(
        contenders,
        measurement=NAME,
        case=case,
        unit="MiB",
        rounds=scale.memory_rounds,
        workbench=workbench,
    )


def _growth(server: Server, load: Load) -> Sample:
    """MiB of the highest reading under ``load`` over the one before it."""
    idle = server.process.memory().now
    server.process.forget_peak()
    lasting = load(server)
    if lasting is None:
        peak = server.process.memory().peak
    else:
        with lasting:
            peak = server.process.memory().peak
    if not peak:
        raise Failed("ended under the load")
    return Sample((peak - idle) / MIB, {"idle_mib": idle / MIB, "peak_mib": peak / MIB})


def _scaled(case: str, count: int, wanted: int) -> str:
    return case if count == wanted else f"{case} (not {wanted:,}: the limit of open files is lower)"
