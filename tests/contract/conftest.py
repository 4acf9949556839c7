"""The databases that a port's contract is checked on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import Process, Store


def _url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if kind == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return None if kind == "memory" else f"sqlite+aiosqlite:///{tmp_path / 'files.db'}"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return _url(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return _url(request.param, request, tmp_path)


@pytest.fixture
async def store(store_url: str | None) -> AsyncIterator[Store]:
    """An empty database, in memory too."""
    store = Store(store_url)
    await store.create()
    yield store
    await store.close()


@pytest.fixture
async def shared_store(database_url: str) -> AsyncIterator[Store]:
    """An empty database that real processes can share."""
    store = Store(database_url)
    await store.create()
    yield store
    await store.close()


@pytest.fixture
def process(store: Store) -> Process:
    return store.process()
