"""Contract of ports/instruction_repository.py, on every database."""

from tests.contract.suites.instruction_repository import InstructionRepositorySuite


class TestInstructionRepository(InstructionRepositorySuite):
    """All of it."""
