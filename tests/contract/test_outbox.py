"""Contract of ports/outbox.py, on every database."""

from tests.contract.suites.outbox import OutboxSuite


class TestOutbox(OutboxSuite):
    """All of it."""
