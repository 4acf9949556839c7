"""What every health check promises; run over each adapter that has one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.outbound.sql.database import Database
from domain.errors import Unavailable
from tests.support.postgres import PostgresCluster
from tests.support.storages import Storages, storages_for, storages_of


@pytest.fixture(params=["memory", "volume", "s3"])
async def storages(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storages]:
    async for pair in storages_for(request, tmp_path):
        yield pair


async def test_storage_that_is_there_is_well(storages: Storages) -> None:
    await storages.health.check()


async def test_a_volume_that_is_not_mounted_is_away(tmp_path: Path) -> None:
    storages = await anext(storages_of("volume", tmp_path))
    shutil.rmtree(tmp_path / "volume")
    (tmp_path / "volume").mkdir()
    with pytest.raises(Unavailable):
        await storages.health.check()


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite+aiosqlite:///{tmp_path}/files.db")
    else:
        database = Database(request.getfixturevalue("postgres_url"))
    yield database
    await database.close()


async def test_a_database_that_is_there_is_well(database: Database) -> None:
    await database.check()


async def test_a_postgresql_that_is_stopped_is_away_and_comes_back(
    postgres: PostgresCluster, postgres_url: str
) -> None:
    database = Database(postgres_url)
    await database.check()
    postgres.stop()
    with pytest.raises(Unavailable):
        await database.check()
    postgres.start()
    await database.check()
    await database.close()
