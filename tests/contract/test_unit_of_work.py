"""Contract of ports/unit_of_work.py, on every database."""

import pytest

from domain.errors import RepositoryUnavailable
from domain.events import EventType
from domain.webhook import Endpoint, Webhooks, body_of
from tests.contract.suites.stores import added, kept
from tests.contract.suites.unit_of_work import UnitOfWorkSuite
from tests.support.builders import an_event, an_upload
from tests.support.processes.postgres import PostgresCluster
from tests.support.stores import Store, opened_store


class TestUnitOfWork(UnitOfWorkSuite):
    """All of it."""


async def test_what_is_to_be_done_about_an_event_is_written_with_the_change_that_it_tells_of(
    store_url: str | None,
) -> None:
    webhooks = Webhooks([Endpoint("https://one.example"), Endpoint("https://other.example")])
    async with opened_store(store_url, is_laid_out="postgresql" in str(store_url)) as store:
        process = store.process(jobs_of=webhooks.deliveries)
        upload = an_upload()
        events = [an_event(upload), an_event(upload, EventType.COMPLETED), an_event(upload, EventType.PROGRESS)]
        for is_committed in (False, True, True):  # told again, it is to be done once
            async with process.unit_of_work() as work:
                for event in events:
                    work.announce(event)
                if is_committed:
                    await work.commit()
            async with process.unit_of_work() as work:
                jobs = await work.jobs.list(limit=10)
            expected = [(one.kind, body_of(event)) for event in events[:2] for one in webhooks.endpoints]
            assert sorted((job.kind, job.payload) for job in jobs) == (sorted(expected) if is_committed else [])
        async with process.unit_of_work() as work:
            assert await work.jobs.claim([webhooks.endpoints[0].kind], token="one", lease_seconds=60)


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
