"""P2: what the promise costs: the same body with every acknowledged byte synced, beside ours without."""

from functools import partial

from benchmarks.figures import OURS, Findings, compare, find
from benchmarks.measurements.bodies import cold
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.splice import SplicePeer
from benchmarks.rounds import Contender, paired_rounds
from benchmarks.scale import MIB, Scale, size
from benchmarks.workbench import Workbench

NAME = "P2"
TITLE = "the same body, durable before it is acknowledged (DURABILITY=ack)"
CHECKPOINT_BYTES = 8 * MIB  # a long body is synced at least this often
DURABLE, UNSYNCED = f"{OURS}, ack", f"{OURS}, none"
DISK = f"{SplicePeer.name} + fdatasync"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    once = partial(cold, length=scale.body_bytes)
    contenders = [
        Contender(DURABLE, LongshorePeer("ack"), once, "durable"),
        Contender(UNSYNCED, LongshorePeer("none"), once, "DURABILITY=none"),
        Contender(DISK, SplicePeer(CHECKPOINT_BYTES), once, f"the disk's limit, every {size(CHECKPOINT_BYTES)}"),
    ]
    rows = paired_rounds(
        contenders,
        measurement=NAME,
        case=size(scale.body_bytes),
        unit="MB/s",
        rounds=scale.rounds,
        workbench=workbench,
    )
    durable = find(rows, DURABLE)
    verdicts = [
        *compare(durable, find(rows, UNSYNCED), must=0.6, goal=0.9),
        # a slow disk puts the must out of anyone's reach: this tells which it was
        *compare(durable, find(rows, DISK)),
    ]
    return Findings(rows, verdicts)
