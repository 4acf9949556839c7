"""P9: how long the event loop keeps others waiting while uploads run flat out: ``/health``, asked again and again."""

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from benchmarks.figures import OURS, Failed, Findings, Row, Sample, Verdict, find
from benchmarks.peers.base import Server
from benchmarks.peers.longshore import LongshorePeer
from benchmarks.rounds import COLD, Contender, paired_rounds
from benchmarks.scale import Scale, size
from benchmarks.workbench import Workbench

NAME = "P9"
TITLE = "GET /health while four large bodies arrive (DURABILITY=ack): the 99th of 100"
MUST_MS, GOAL_MS = 50.0, 15.0
_UPLOADS = 4
_PAUSE_SECONDS = 0.005


def measure(workbench: Workbench, scale: Scale) -> Findings:
    def ask(server: Server) -> Mapping[str, Sample]:
        return {COLD: _ask_while_bodies_arrive(server, scale.body_bytes // 2)}

    case = f"{_UPLOADS} x {size(scale.body_bytes // 2)}"
    rows = paired_rounds(
        [Contender(OURS, LongshorePeer("ack"), ask, "durable")],
        measurement=NAME,
        case=case,
        unit="ms",
        rounds=scale.rounds,
        workbench=workbench,
    )
    return Findings(rows, list(_verdict(find(rows, OURS))))


def _verdict(row: Row | None) -> Iterator[Verdict]:
    if row is not None:
        claim = f"{OURS}, /health meanwhile, p99 ({row.case})"
        yield Verdict(NAME, claim, row.median, "ms", must=MUST_MS, goal=GOAL_MS, at_most=True)


def _ask_while_bodies_arrive(server: Server, length: int) -> Sample:
    source = server.workbench.source(length)
    server.workbench.warm_up_memory(_UPLOADS * length)
    begin = threading.Barrier(_UPLOADS + 1)

    def send() -> float:
        with server.connect() as connection:
            target = server.peer.target(connection, length)
            begin.wait()
            return connection.send(target, source)

    with ThreadPoolExecutor(_UPLOADS) as senders:
        sending = [senders.submit(send) for _ in range(_UPLOADS)]
        begin.wait()
        waited = sorted(_ask(server.port, sending))
    seconds = max(one.result() for one in sending)
    if not waited:
        raise Failed("the bodies had arrived before anybody asked")
    details = {
        "worst_ms": waited[-1],
        "p50_ms": waited[len(waited) // 2],
        "asked": len(waited),
        "mb_per_second": _UPLOADS * length / seconds / 1e6,
    }
    return Sample(waited[len(waited) * 99 // 100], details)


def _ask(port: int, sending: list[Future[float]]) -> Iterator[float]:
    """Milliseconds of each answer, until all bodies are there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not all(one.done() for one in sending):
        began = time.perf_counter()
        connection.request("GET", "/health")
        if connection.getresponse().read() and not all(one.done() for one in sending):
            yield (time.perf_counter() - began) * 1e3
        time.sleep(_PAUSE_SECONDS)
    connection.close()
