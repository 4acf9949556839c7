"""How many descriptors there are. What becomes of more clients than that: tests/e2e/test_descriptors.py."""

import resource
from collections.abc import Iterator

import pytest

from adapters.inbound.http.engine.accepting import are_plenty, raise_limit


@pytest.fixture
def hard() -> Iterator[int]:
    """What may be had; what is had is put back afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_has_all_it_may_have(hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize(
    ("limit", "lowest", "plenty"),
    [(128, 63, True), (128, 64, False), (1024, 511, True), (1024, 512, False), (4000, 3487, True), (4000, 3488, False)],
)
def test_half_of_few_and_some_of_many_are_kept_for_files(hard: int, limit: int, lowest: int, plenty: bool) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    assert are_plenty(lowest) is plenty
