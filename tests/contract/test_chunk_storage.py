"""Contract of ports/chunk_storage.py, on every storage."""

from pathlib import Path

import pytest

from tests.contract.suites.chunk_storage import ChunkStorageSuite
from tests.contract.suites.storages import StorageFactory
from tests.support.storages import factory_of


@pytest.fixture(params=["memory", "volume", "s3"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StorageFactory:
    return factory_of(request, tmp_path)


class TestChunkStorage(ChunkStorageSuite):
    """All of it."""
