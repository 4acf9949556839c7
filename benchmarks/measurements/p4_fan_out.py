"""P4: a crowd that watches uploads which go on: how many messages a second, and how soon after its chunk one comes."""

from collections.abc import Callable, Mapping

from benchmarks.figures import OURS, Findings, Row, Sample, Verdict, compare, find, within
from benchmarks.load.programs import run_client
from benchmarks.load.websockets import descriptor_room
from benchmarks.measurements.bodies import begin_uploads
from benchmarks.peers.base import Server
from benchmarks.peers.broadcasters import WebsocketsPeer, WsPeer
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import Scale
from benchmarks.workbench import Workbench

NAME = "P4"
TITLE = "messages of progress to a crowd; ours of durable uploads, peers flat out with nothing else to do"
_CHUNKS_PER_SECOND = 10
"""Of each upload: a watcher is told eight times a second."""
_CALM_CHUNKS_PER_SECOND = 4
"""Few enough that none waits for the next one's turn."""


def measure(workbench: Workbench, scale: Scale) -> Findings:
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    for wanted, uploads in scale.storms:
        sockets = descriptor_room(wanted)
        contenders = [
            Contender(OURS, LongshorePeer(), _watching(scale, sockets, uploads, _CHUNKS_PER_SECOND), "durable"),
            *(
                Contender(peer.name, peer, _listening(scale, sockets), "flat out")
                for peer in (WebsocketsPeer(sockets), WsPeer(sockets))
            ),
        ]
        found = paired_rounds(
            contenders,
            measurement=NAME,
            case=f"{sockets:,} sockets, {uploads} uploads",
            unit="messages/s",
            rounds=scale.rounds,
            workbench=workbench,
        )
        rows += found
        ours = find(found, OURS)
        verdicts += compare(ours, find(found, WebsocketsPeer.name), must=1.2, goal=1.5)
        verdicts += compare(ours, find(found, WsPeer.name), must=1.0, goal=1.3)
    delays = _delays(workbench, scale)
    return Findings([*rows, *delays], [*verdicts, *within(find(delays, OURS), must=100.0, goal=30.0)])


def _delays(workbench: Workbench, scale: Scale) -> list[Row]:
    """The 99th percentile of the time from a chunk's first byte to the message, over all sockets."""
    sockets = descriptor_room(scale.storms[0][0])
    watch = _watching(scale, sockets, 1, _CALM_CHUNKS_PER_SECOND)

    def wait(server: Server) -> Mapping[str, Sample]:
        seen = watch(server)[COLD]
        return {COLD: Sample(seen.details["p99_ms"], {**seen.details, "messages_per_second": seen.value})}

    return paired_rounds(
        [Contender(OURS, LongshorePeer(), wait, "durable")],
        measurement=NAME,
        case=f"{sockets:,} sockets, 1 upload: from a chunk's first byte to its message, p99",
        unit="ms",
        rounds=scale.rounds,
        workbench=workbench,
    )


def _watching(
    scale: Scale, sockets: int, uploads: int, chunks_per_second: float
) -> Callable[[Server], Mapping[str, Sample]]:
    def watch(server: Server) -> Mapping[str, Sample]:
        paths = begin_uploads(server, uploads)
        query = "&".join(f"upload_id={path.name}" for path in paths)
        plan = (sockets, uploads, scale.watch_seconds, chunks_per_second)
        return _listen(server, f"/ws/progress?{query}", *plan, *map(str, paths))

    return watch


def _listening(scale: Scale, sockets: int) -> Callable[[Server], Mapping[str, Sample]]:
    return lambda server: _listen(server, "/", sockets, 0, scale.watch_seconds)


def _listen(server: Server, path: str, *plan: str | float) -> Mapping[str, Sample]:
    seen = run_client(server.workbench, "ws_fan_out.c", server.port, path, *plan)
    details = {
        name: seen[name]
        for name in ("chunks_per_second", "p50_ms", "p99_ms", "errors")
        if seen[name] or name == "errors"
    }
    return {COLD: Sample(seen["messages_per_second"], details)}
