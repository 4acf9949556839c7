"""Contract of ports/file_repository.py, on every database."""

from tests.contract.suites.file_repository import FileRepositorySuite


class TestFileRepository(FileRepositorySuite):
    """All of it."""
