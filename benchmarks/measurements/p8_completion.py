"""P8: completing takes as long for a large upload as for a small one: a rename, no copy.

All but the last byte is sent beforehand; only the PATCH of that byte is timed.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.figures import OURS, Findings, Row, Sample, Verdict, compare, find
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.rounds import Contender, paired_rounds
from benchmarks.scale import GIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P8"
TITLE = "completing an upload: the request with its last byte (DURABILITY=ack)"
AS_LONG = 1.5  # times the smallest: a copy would be hundreds


def measure(workbench: Workbench, scale: Scale) -> Findings:
    lengths = [length for length in scale.completion_bytes if _fits(workbench, scale, length)]

    def complete_each(server: Server) -> Mapping[str, Sample]:
        return {_state(length): sample for length, sample in _complete_each(server, scale, lengths).items()}

    rows = paired_rounds(
        [Contender(OURS, LongshorePeer("ack"), complete_each, "durable")],
        measurement=NAME,
        case="its last byte",
        unit="ms",
        rounds=scale.rounds,
        workbench=workbench,
    )
    rows += [
        Row(NAME, "its last byte", OURS + _state(length), "ms", missing="no room for it on the disk")
        for length in scale.completion_bytes
        if length not in lengths
    ]
    smallest = find(rows, OURS + _state(lengths[0])) if lengths else None
    verdicts: list[Verdict] = []
    for length in lengths[1:]:
        verdicts += compare(find(rows, OURS + _state(length)), smallest, must=AS_LONG, at_most=True)
    return Findings(rows, verdicts)


def _state(length: int) -> str:
    return f", {size(length)}"


def _fits(workbench: Workbench, scale: Scale, length: int) -> bool:
    return 2 * length * _times(scale, length) < workbench.free_bytes()


def _times(scale: Scale, length: int) -> int:
    """How often a length is completed in a round: once is enough of what takes a minute to send."""
    return scale.completions if length <= GIB else 1


def _complete_each(server: Server, scale: Scale, lengths: Sequence[int]) -> dict[int, Sample]:
    """The lengths in turn, so that none of them has the process to itself while it is fresh."""
    taken: dict[int, list[float]] = {length: [] for length in lengths}
    for turn in range(scale.completions):
        for length in lengths:
            if turn < _times(scale, length):
                taken[length].append(_complete(server, length) * 1e3)
    return {length: Sample(median(times), {"worst_ms": max(times)}) for length, times in taken.items()}


def _complete(server: Server, length: int) -> float:
    """Seconds that the last byte took."""
    block_bytes = min(length, GIB)
    block = server.workbench.source(block_bytes)
    with server.connect() as connection:
        target = server.peer.target(connection, length)
        for offset in range(0, length - 1, block_bytes):
            count = min(block_bytes, length - 1 - offset)
            connection.send(target, block, length=count, offset=offset)
        return connection.send(target, block, length=1, offset=length - 1)
