"""Contract of ports/metrics.py."""

import pytest

from adapters.outbound.memory.metrics import MemoryMetrics
from ports.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return MemoryMetrics()


def of(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a family, by their suffix and labels."""
    (family,) = [family for family in metrics.families() if family.name == name]
    return {(sample.suffix, *sample.labels.values()): sample.value for sample in family.samples}


def test_what_has_not_happened_is_told_as_none(metrics: Metrics) -> None:
    assert of(metrics, "longshore_received_bytes_total") == {("",): 0}
    assert of(metrics, "longshore_chunk_duration_seconds")[("_count",)] == 0


def test_bytes_add_up_and_each_wait_falls_into_one_bucket_and_those_above(metrics: Metrics) -> None:
    for seconds in (0.0005, 0.001, 0.02, 60.0):
        metrics.received(1000, seconds)
    assert of(metrics, "longshore_received_bytes_total") == {("",): 4000}
    told = of(metrics, "longshore_chunk_duration_seconds")
    assert [told[("_bucket", bound)] for bound in ("0.001", "0.01", "0.025", "5.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert told[("_count",)] == 4
    assert told[("_sum",)] == pytest.approx(60.0215)


def test_receipts_that_share_a_commit_are_a_group(metrics: Metrics) -> None:
    metrics.committed(1)
    metrics.committed(32)
    assert of(metrics, "longshore_commit_group_receipts")[("_sum",)] == 33


def test_jobs_are_told_by_kind_and_outcome(metrics: Metrics) -> None:
    metrics.job_ended("thumbnails", "done", 1.0)
    metrics.job_ended("thumbnails", "failed", 2.0)
    told = of(metrics, "longshore_job_duration_seconds")
    assert told[("_count", "thumbnails", "done")] == told[("_count", "thumbnails", "failed")] == 1
