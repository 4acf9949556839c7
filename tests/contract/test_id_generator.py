"""Contract of ports/id_generator.py."""

import pytest

from adapters.outbound.system.id_generator import SystemIdGenerator
from ports.id_generator import IdGenerator
from tests.contract.suites.id_generator import IdGeneratorSuite


@pytest.fixture
def ids() -> IdGenerator:
    return SystemIdGenerator()


class TestIdGenerator(IdGeneratorSuite):
    """All of it."""


def test_another_moment_begins_in_another_way() -> None:
    ids = SystemIdGenerator(moment_seconds=0)
    assert len({ids.new()[:12] for _ in range(100)}) == 100
