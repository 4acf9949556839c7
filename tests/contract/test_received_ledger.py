"""Contract of ports/received_ledger.py, on every database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.outbound.sql.ledger.entry import Entry
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from domain.byte_range import ReceivedRanges
from domain.checksum import crc64nvme
from domain.errors import RepositoryUnavailable, UploadTakenOver
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_state import UploadState
from ports.upload_lock import Lease
from tests.support.builders import NOW, a_receipt, an_id, an_upload, counted, extent
from tests.support.postgres import PostgresCluster
from tests.support.stores import Process, Store, added, kept


@asynccontextmanager
async def holding(process: Process, upload: Upload) -> AsyncIterator[Lease]:
    async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        yield lease


async def save(process: Process, upload: Upload) -> None:
    async with process.unit_of_work() as work:
        await work.uploads.save(upload)
        await work.commit()


async def test_what_was_recorded_is_known_to_every_process(store: Store) -> None:
    ours, theirs = store.process(), store.process()
    upload = await added(ours)
    async with holding(ours, upload) as lease:
        await ours.ledger.record(a_receipt(upload, 0, 100, (1 << 64) - 1), lease)
    assert list((await kept(theirs, upload.id)).received) == [extent(0, 100, (1 << 64) - 1)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12))
async def test_any_order_and_overlap_gives_the_same_bytes(process: Process, spans: list[tuple[int, int]]) -> None:
    upload = await added(process)
    extents = [extent(start, start + size) for start, size in spans]
    async with holding(process, upload) as lease:
        receipts = [a_receipt(upload, one.range.start, one.range.end) for one in extents]
        await asyncio.gather(*(process.ledger.record(receipt, lease) for receipt in receipts))
    received = (await kept(process, upload.id)).received
    assert [one.range for one in received] == [one.range for one in ReceivedRanges(extents)]


async def test_chunks_in_a_row_keep_the_whole_files_checksum(process: Process) -> None:
    body = bytes(range(256)) * 4
    upload = await added(process, an_upload(length=len(body)))
    async with holding(process, upload) as lease:
        for start in reversed(range(0, len(body), 100)):
            chunk = body[start : start + 100]
            await process.ledger.record(a_receipt(upload, start, start + len(chunk), crc64nvme(chunk)), lease)
    assert (await kept(process, upload.id)).received.crc64() == crc64nvme(body)


async def test_recording_a_range_twice_is_harmless(process: Process) -> None:
    upload = await added(process)
    receipt = a_receipt(upload, 0, 100, 7)
    async with holding(process, upload) as lease:
        await process.ledger.record(receipt, lease)
        await asyncio.gather(*(process.ledger.record(receipt, lease) for _ in range(3)))
    assert list((await kept(process, upload.id)).received) == [extent(0, 100, 7)]


async def test_of_two_writings_of_a_range_the_later_ones_checksum_counts(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 100, 7), lease)
        await asyncio.gather(
            process.ledger.record(a_receipt(upload, 0, 100, 8), lease),
            process.ledger.record(a_receipt(upload, 0, 100, 9), lease),
        )
    assert list((await kept(process, upload.id)).received) == [extent(0, 100, 9)]


async def test_state_and_expiry_are_written_with_the_bytes(process: Process) -> None:
    upload = await added(process)
    later = NOW + timedelta(days=9)
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING, expires_at=later), lease)
        seen = await kept(process, upload.id)
        assert (seen.offset, seen.state, seen.expires_at) == (100, UploadState.RECEIVING, later)
        await process.ledger.record(a_receipt(upload, 100, 1000, state=UploadState.ASSEMBLING), lease)
    seen = await kept(process, upload.id)
    assert (seen.offset, seen.state, seen.expires_at) == (1000, UploadState.ASSEMBLING, later)


async def test_the_states_of_one_batch_are_written_in_their_order(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        await asyncio.gather(
            process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING), lease),
            process.ledger.record(a_receipt(upload, 100, 1000, state=UploadState.ASSEMBLING), lease),
        )
    assert (await kept(process, upload.id)).state is UploadState.ASSEMBLING


async def test_a_late_expiry_never_shortens_a_later_one(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 1, expires_at=NOW + timedelta(days=9)), lease)
        await process.ledger.record(a_receipt(upload, 1, 2, expires_at=NOW + timedelta(days=5)), lease)
    assert (await kept(process, upload.id)).expires_at == NOW + timedelta(days=9)


@pytest.mark.parametrize("ended", [UploadState.COMPLETED, UploadState.ABORTED, UploadState.EXPIRED])
@pytest.mark.parametrize("late", [UploadState.RECEIVING, UploadState.ASSEMBLING])
async def test_a_late_receipt_moves_no_state_backwards(process: Process, ended: UploadState, late: UploadState) -> None:
    upload = await added(process, an_upload(state=ended))
    async with holding(process, upload) as lease:
        receipt = a_receipt(upload, 0, 100, state=late, expires_at=NOW + timedelta(days=9))
        await process.ledger.record(receipt, lease)
    seen = await kept(process, upload.id)
    assert (seen.state, seen.expires_at) == (ended, upload.expires_at)


async def test_assembling_does_not_become_receiving_again(process: Process) -> None:
    upload = await added(process, an_upload(state=UploadState.ASSEMBLING))
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING), lease)
    assert (await kept(process, upload.id)).state is UploadState.ASSEMBLING


async def test_a_fold_replaces_the_smaller_stretches_within_it(process: Process) -> None:
    upload, other = await added(process), await added(process)
    async with holding(process, upload) as lease, holding(process, other) as other_lease:
        for start in range(0, 50, 10):
            await process.ledger.record(a_receipt(upload, start, start + 10, start), lease)
            await process.ledger.record(a_receipt(other, start, start + 10), other_lease)
        await process.ledger.record(a_receipt(upload, 70, 80), lease)
        await process.ledger.record(a_receipt(upload, 0, 60, 5, folds=True), lease)
    seen = await kept(process, upload.id)
    assert list(seen.received) == [extent(0, 60, 5), extent(70, 80)]
    assert seen._unfolded == 2
    assert (await kept(process, other.id))._unfolded == 5


async def test_a_fold_of_the_very_same_range_stays(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        await process.ledger.record(a_receipt(upload, 0, 60, 4), lease)
        await process.ledger.record(a_receipt(upload, 0, 60, 5, folds=True), lease)
    assert list((await kept(process, upload.id)).received) == [extent(0, 60, 5)]


async def test_ten_thousand_chunks_do_not_stay_ten_thousand_rows(process: Process) -> None:
    upload = await added(process, an_upload(length=20_000))
    async with holding(process, upload) as lease:
        for at in range(0, 10_000, 500):
            receipts = counted(upload, *(extent(n, n + 1, 0) for n in range(at, at + 500)))
            await asyncio.gather(*(process.ledger.record(receipt, lease) for receipt in receipts))
    seen = await kept(process, upload.id)
    assert seen.offset == 10_000
    assert seen._unfolded < 2_500


async def test_a_lost_lease_records_nothing(store: Store) -> None:
    ours, theirs = store.process(), store.process()
    upload = await added(ours)
    async with holding(ours, upload) as lost:
        pass
    async with holding(theirs, upload) as lease:
        with pytest.raises(UploadTakenOver):
            await ours.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING), lost)
        await theirs.ledger.record(a_receipt(upload, 0, 50), lease)
    seen = await kept(ours, upload.id)
    assert (seen.offset, seen.state) == (50, UploadState.PENDING)


async def test_a_released_lease_records_nothing(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        pass
    await process.lock.close()
    with pytest.raises(UploadTakenOver):
        await process.ledger.record(a_receipt(upload, 0, 100), lease)


async def test_a_made_up_lease_records_nothing(process: Process) -> None:
    upload = await added(process)
    with pytest.raises(UploadTakenOver):
        await process.ledger.record(a_receipt(upload, 0, 100), Lease(upload.id, an_id()))
    assert (await kept(process, upload.id)).offset == 0


async def test_one_refused_receipt_does_not_harm_those_beside_it(process: Process) -> None:
    upload, other = await added(process), await added(process)
    unknown = an_upload()
    async with holding(process, upload) as lease, holding(process, unknown) as of_unknown:
        answers = await asyncio.gather(
            process.ledger.record(a_receipt(upload, 0, 10), lease),
            process.ledger.record(a_receipt(other, 0, 10, state=UploadState.RECEIVING), Lease(other.id, an_id())),
            process.ledger.record(a_receipt(unknown, 0, 10), of_unknown),
            process.ledger.record(a_receipt(upload, 10, 20, state=UploadState.RECEIVING), lease),
            return_exceptions=True,
        )
    assert [type(answer) for answer in answers] == [type(None), UploadTakenOver, UploadTakenOver, type(None)]
    assert (await kept(process, upload.id)).offset == 20
    seen = await kept(process, other.id)
    assert (seen.offset, seen.state) == (0, UploadState.PENDING)


async def test_who_stops_waiting_harms_nobody(process: Process) -> None:
    upload = await added(process)
    async with holding(process, upload) as lease:
        tasks = [asyncio.create_task(process.ledger.record(a_receipt(upload, n, n + 1), lease)) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() or task.exception() is None for task in tasks)
        await process.ledger.record(a_receipt(upload, 20, 21), lease)
    covered = (await kept(process, upload.id)).received
    for n in (*range(1, 20, 2), 20):
        assert covered.covers(extent(n, n + 1).range)


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
