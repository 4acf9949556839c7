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
