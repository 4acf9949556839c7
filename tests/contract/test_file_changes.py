"""Contract of changes, the bin and the end in ports/file_repository.py, on every database."""

from tests.contract.suites.file_changes import FileChangeSuite


class TestFileChanges(FileChangeSuite):
    """All of it."""
