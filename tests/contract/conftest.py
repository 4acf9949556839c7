"""The databases that a port's contract is checked on."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.contract.suites.stores import StoreFactory
from tests.support.stores import Store, opened_store


def _url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if kind == "postgres":
        return str(request.getfixturevalue("server_postgres_url"))
    return None if kind == "memory" else f"sqlite+aiosqlite:///{tmp_path / 'files.db'}"


def _is_laid_out(url: str | None) -> bool:
    return url is not None and url.startswith("postgresql")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return _url(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return _url(request.param, request, tmp_path)


@pytest.fixture
def factory(store_url: str | None) -> StoreFactory:
    """For the suites of what a database keeps; those of other ports have one beside them."""
    return partial(opened_store, store_url, is_laid_out=_is_laid_out(store_url))


@pytest.fixture
async def shared_store(database_url: str) -> AsyncIterator[Store]:
    """An empty database that real processes can share."""
    async with opened_store(database_url, is_laid_out=_is_laid_out(database_url)) as store:
        yield store
