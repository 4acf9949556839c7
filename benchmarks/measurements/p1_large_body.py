"""P1: how fast one large body goes in when nobody syncs it, beside the machine's limit and the peers."""

from functools import partial

from benchmarks.figures import OURS, Findings, compare, find
from benchmarks.measurements.bodies import NEVER_SYNCED, cold, cold_and_warm
from benchmarks.peers.fastapi_stream import FastApiStreamPeer
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.peers.nginx import NginxPeer
from benchmarks.peers.splice import SplicePeer
from benchmarks.peers.tus_node import TusNodePeer
from benchmarks.peers.tuspyserver import TusPyServerPeer
from benchmarks.rounds import WARM, Contender, paired_rounds
from benchmarks.scale import Scale, size
from benchmarks.workbench import Workbench

NAME = "P1"
TITLE = "one large body, synced by nobody (ours: DURABILITY=none)"


def measure(workbench: Workbench, scale: Scale) -> Findings:
    once = partial(cold, length=scale.body_bytes)
    twice = partial(cold_and_warm, length=scale.body_bytes)
    contenders = [
        Contender(OURS, LongshorePeer("none"), twice, "DURABILITY=none"),
        Contender(SplicePeer.name, SplicePeer(), once, "the limit"),
        Contender(NginxPeer.name, NginxPeer(), once, NEVER_SYNCED),
        Contender(TusNodePeer.name, TusNodePeer(), twice, NEVER_SYNCED),
        Contender(FastApiStreamPeer.name, FastApiStreamPeer(), once, NEVER_SYNCED),
        Contender(TusPyServerPeer.name, TusPyServerPeer(), once, NEVER_SYNCED),
    ]
    rows = paired_rounds(
        contenders,
        measurement=NAME,
        case=size(scale.body_bytes),
        unit="MB/s",
        rounds=scale.rounds,
        workbench=workbench,
    )
    ours, ours_warm = find(rows, OURS), find(rows, OURS + WARM)
    verdicts = [
        *compare(ours, find(rows, SplicePeer.name), must=0.75, goal=0.95),
        *compare(ours, find(rows, NginxPeer.name), must=1.0, goal=1.3),
        *compare(ours, find(rows, TusNodePeer.name), must=3.0, goal=4.3),
        *compare(ours_warm, find(rows, TusNodePeer.name + WARM)),
        *compare(ours, find(rows, FastApiStreamPeer.name)),
        *compare(ours, find(rows, TusPyServerPeer.name)),
    ]
    return Findings(rows, verdicts)
