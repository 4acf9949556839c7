"""Contract of ports/received_ledger.py, on every database."""

import asyncio
from collections.abc import Sequence

from adapters.outbound.sql.ledger.entry import Entry
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from domain.errors import RepositoryUnavailable
from domain.ids import UploadId
from domain.upload import Upload
from ports.upload_lock import Lease
from tests.contract.suites.received_ledger import ReceivedLedgerSuite, holding
from tests.contract.suites.stores import added, kept
from tests.support.builders import a_receipt, an_upload
from tests.support.processes.postgres import PostgresCluster
from tests.support.stores import Store


class _Flushes:
    """Counts the transactions of a ledger, without changing them."""

    def __init__(self, ledger: SqlReceivedLedger) -> None:
        self._writer = ledger._writer
        self.sizes: list[int] = []
        ledger._writer = self

    async def write(self, entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
        self.sizes.append(len(entries))
        return await self._writer.write(entries)

    async def close(self) -> None:
        await self._writer.close()


class TestReceivedLedger(ReceivedLedgerSuite):
    """All of it."""


async def test_receipts_that_wait_share_one_transaction(shared_store: Store) -> None:
    process = shared_store.process()
    assert isinstance(process.ledger, SqlReceivedLedger)
    uploads = [await added(process) for _ in range(8)]
    flushes = _Flushes(process.ledger)
    leases = [process.lock.hold(upload.id, on_wanted=lambda: None) for upload in uploads]
    held = await asyncio.gather(*(lease.__aenter__() for lease in leases))

    async def record_all(upload: Upload, lease: Lease) -> None:
        for start in range(0, 100, 10):
            await process.ledger.record(a_receipt(upload, start, start + 10), lease)

    await asyncio.gather(*map(record_all, uploads, held))
    for lease in leases:
        await lease.__aexit__(None, None, None)
    assert sum(flushes.sizes) == 80
    assert len(flushes.sizes) <= 20
    for upload in uploads:
        assert (await kept(process, upload.id)).offset == 100


async def test_a_huge_wait_goes_in_batches(shared_store: Store) -> None:
    process = shared_store.process()
    assert isinstance(process.ledger, SqlReceivedLedger)
    upload = await added(process, an_upload(length=5000))
    flushes = _Flushes(process.ledger)
    async with holding(process, upload) as lease:
        await asyncio.gather(*(process.ledger.record(a_receipt(upload, n, n + 1), lease) for n in range(1300)))
    assert flushes.sizes == [512, 512, 276]
    assert (await kept(process, upload.id)).offset == 1300


async def test_a_failed_flush_is_told_to_all_who_wait_and_the_next_one_works(
    postgres: PostgresCluster, postgres_url: str
) -> None:
    store = Store(postgres_url)
    await store.create()
    process = store.process()
    upload = await added(process)
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 10), lease)
        postgres.stop()
        answers = await asyncio.gather(
            *(process.ledger.record(a_receipt(upload, n * 10, n * 10 + 10), lease) for n in range(1, 6)),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [RepositoryUnavailable] * 5
        postgres.start()
        await process.ledger.record(a_receipt(upload, 10, 20), lease)
    assert (await kept(process, upload.id)).offset == 20
    await store.close()
