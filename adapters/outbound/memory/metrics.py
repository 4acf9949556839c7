"""Counts in this process. Contract: tests/contract/test_metrics.py."""

from collections.abc import Sequence

from domain.measures import Counter, Family, Histogram
from ports.metrics import Metrics

_CHUNK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_GROUP = (1, 2, 4, 8, 16, 32, 64, 128)
_JOB_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class MemoryMetrics(Metrics):
    def __init__(self) -> None:
        self._bytes = Counter("longshore_received_bytes_total", "Bytes that are durable and recorded.")
        self._chunks = Histogram(
            "longshore_chunk_duration_seconds",
            "From when bytes of a chunk, a stretch or a small file are here to when they are recorded.",
            _CHUNK_SECONDS,
        )
        self._groups = Histogram(
            "longshore_commit_group_receipts", "How many receipts or small files shared one commit.", _GROUP
        )
        self._jobs = Histogram(
            "longshore_job_duration_seconds", "How long workers had jobs.", _JOB_SECONDS, ("kind", "outcome")
        )

    def received(self, size: int, seconds: float) -> None:
        self._bytes.add(size)
        self._chunks.observe(seconds)

    def committed(self, receipts: int) -> None:
        self._groups.observe(receipts)

    def job_ended(self, kind: str, outcome: str, seconds: float) -> None:
        self._jobs.observe(seconds, kind, outcome)

    def families(self) -> Sequence[Family]:
        return [measure.family() for measure in (self._bytes, self._chunks, self._groups, self._jobs)]
