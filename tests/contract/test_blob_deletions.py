"""Contract of ports/blob_deletions.py, on every database."""

from tests.contract.suites.blob_deletions import BlobDeletionsSuite


class TestBlobDeletions(BlobDeletionsSuite):
    """All of it."""
