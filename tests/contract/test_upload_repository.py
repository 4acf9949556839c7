"""Contract of ports/upload_repository.py, on every database."""

from tests.contract.suites.upload_repository import UploadRepositorySuite
from tests.contract.suites.upload_upkeep import UploadUpkeepSuite


class TestUploadRepository(UploadRepositorySuite):
    """What requests ask of it."""


class TestUploadUpkeep(UploadUpkeepSuite):
    """What chores ask of it."""
