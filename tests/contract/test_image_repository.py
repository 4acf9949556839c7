"""Contract of ports/image_repository.py, on every database."""

from tests.contract.suites.image_repository import ImageRepositorySuite


class TestImageRepository(ImageRepositorySuite):
    """All of it."""
