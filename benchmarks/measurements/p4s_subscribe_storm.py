"""P4s: a crowd that comes at once, each with all ids: after a restart, say. How long until the last has seen all?"""

from collections.abc import Mapping

from benchmarks.figures import OURS, Findings, Row, Sample, Verdict, find, within
from benchmarks.load.programs import run_client
from benchmarks.load.websockets import descriptor_room
from benchmarks.measurements.bodies import begin_uploads
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import Scale
from benchmarks.workbench import Workbench

NAME = "P4s"
TITLE = "subscribe storm: from the first connect to the last snapshot of the last socket"
TARGETS = ((2.0, 1.0), (5.0, 2.5))
"""Must and goal of each storm, in seconds."""


def measure(workbench: Workbench, scale: Scale) -> Findings:
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for (sockets, uploads), (must, goal) in zip(scale.storms, TARGETS, strict=True):
        found = _storm(workbench, scale, descriptor_room(sockets), uploads)
        rows += found
        verdicts += within(find(found, OURS), must=must, goal=goal)
    return Findings(rows, verdicts)


def _storm(workbench: Workbench, scale: Scale, sockets: int, uploads: int) -> list[Row]:
    def connect_all(server: Server) -> Mapping[str, Sample]:
        query = "&".join(f"upload_id={path.name}" for path in begin_uploads(server, uploads))
        worked = server.process.cpu_seconds()
        seen = run_client(workbench, "ws_storm.c", server.port, f"/ws/progress?{query}", sockets, uploads)
        worked = server.process.cpu_seconds() - worked
        details = {name: seen[name] for name in ("p50_ms", "p99_ms", "errors")}
        return {COLD: Sample(seen["seconds"], {**details, "cpu_s": worked, "cpu_ms_each": worked / sockets * 1e3})}

    return paired_rounds(
        [Contender(OURS, LongshorePeer(), connect_all)],
        measurement=NAME,
        case=f"{sockets:,} sockets, each of the same {uploads} uploads",
        unit="s",
        rounds=scale.rounds,
        workbench=workbench,
    )
