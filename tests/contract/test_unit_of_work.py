"""Contract of ports/unit_of_work.py, on every database."""

import pytest

from domain.errors import RepositoryUnavailable
from tests.contract.suites.stores import added, kept
from tests.contract.suites.unit_of_work import UnitOfWorkSuite
from tests.support.processes.postgres import PostgresCluster
from tests.support.stores import Store


class TestUnitOfWork(UnitOfWorkSuite):
    """All of it."""


async def test_a_database_that_is_away_is_told_and_its_return_is_noticed(
    postgres: PostgresCluster, postgres_url: str
) -> None:
    store = Store(postgres_url)
    await store.create()
    process = store.process()
    upload = await added(process)
    postgres.stop()
    with pytest.raises(RepositoryUnavailable):
        await kept(process, upload.id)
    with pytest.raises(RepositoryUnavailable):
        await added(process)
    postgres.start()
    assert (await kept(process, upload.id)).id == upload.id
    await added(process)
    await store.close()
