"""What every health check promises; run over each adapter that has one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.outbound.sql.database import Database
from domain.errors import Unavailable
from tests.contract.suites.storages import StorageFactory
from tests.support.processes.postgres import PostgresCluster
from tests.support.storages import factory_of, on_volume


@pytest.fixture(params=["memory", "volume", "s3"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StorageFactory:
    return factory_of(request, tmp_path)


async def test_storage_that_is_there_is_well(factory: StorageFactory) -> None:
    async with factory() as storages:
        await storages.blobs.check()


async def test_a_volume_that_is_not_mounted_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    async with on_volume(folder) as storages:
        shutil.rmtree(folder)
        folder.mkdir()
        with pytest.raises(Unavailable):
            await storages.blobs.check()


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
