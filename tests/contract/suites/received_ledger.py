"""What every received ledger promises (ports/received_ledger.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.byte_range import ReceivedRanges
from domain.checksum import crc64nvme
from domain.errors import UploadTakenOver
from domain.upload import Upload
from domain.upload_state import UploadState
from ports.upload_lock import Lease
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import NOW, a_receipt, an_id, an_upload, counted, extent


@asynccontextmanager
async def holding(process: Process, upload: Upload) -> AsyncIterator[Lease]:
    async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        yield lease


class ReceivedLedgerSuite(StoreSuite):
    async def test_what_was_recorded_is_known_to_every_process(self, store: Store) -> None:
        ours, theirs = store.process(), store.process()
        upload = await added(ours)
        async with holding(ours, upload) as lease:
            await ours.ledger.record(a_receipt(upload, 0, 100, (1 << 64) - 1), lease)
        assert list((await kept(theirs, upload.id)).received) == [extent(0, 100, (1 << 64) - 1)]

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(spans=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12))
    async def test_any_order_and_overlap_gives_the_same_bytes(
        self, process: Process, spans: list[tuple[int, int]]
    ) -> None:
        upload = await added(process)
        extents = [extent(start, start + size) for start, size in spans]
        async with holding(process, upload) as lease:
            receipts = [a_receipt(upload, one.range.start, one.range.end) for one in extents]
            await asyncio.gather(*(process.ledger.record(receipt, lease) for receipt in receipts))
        received = (await kept(process, upload.id)).received
        assert [one.range for one in received] == [one.range for one in ReceivedRanges(extents)]

    async def test_chunks_in_a_row_keep_the_whole_files_checksum(self, process: Process) -> None:
        body = bytes(range(256)) * 4
        upload = await added(process, an_upload(length=len(body)))
        async with holding(process, upload) as lease:
            for start in reversed(range(0, len(body), 100)):
                chunk = body[start : start + 100]
                await process.ledger.record(a_receipt(upload, start, start + len(chunk), crc64nvme(chunk)), lease)
        assert (await kept(process, upload.id)).received.crc64() == crc64nvme(body)

    async def test_recording_a_range_twice_is_harmless(self, process: Process) -> None:
        upload = await added(process)
        receipt = a_receipt(upload, 0, 100, 7)
        async with holding(process, upload) as lease:
            await process.ledger.record(receipt, lease)
            await asyncio.gather(*(process.ledger.record(receipt, lease) for _ in range(3)))
        assert list((await kept(process, upload.id)).received) == [extent(0, 100, 7)]

    async def test_of_two_writings_of_a_range_the_later_ones_checksum_counts(self, process: Process) -> None:
        upload = await added(process)
        async with holding(process, upload) as lease:
            await process.ledger.record(a_receipt(upload, 0, 100, 7), lease)
            await asyncio.gather(
                process.ledger.record(a_receipt(upload, 0, 100, 8), lease),
                process.ledger.record(a_receipt(upload, 0, 100, 9), lease),
            )
        assert list((await kept(process, upload.id)).received) == [extent(0, 100, 9)]

    async def test_state_and_expiry_are_written_with_the_bytes(self, process: Process) -> None:
        upload = await added(process)
        later = NOW + timedelta(days=9)
        async with holding(process, upload) as lease:
            await process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING, expires_at=later), lease)
            seen = await kept(process, upload.id)
            assert (seen.offset, seen.state, seen.expires_at) == (100, UploadState.RECEIVING, later)
            await process.ledger.record(a_receipt(upload, 100, 1000, state=UploadState.ASSEMBLING), lease)
        seen = await kept(process, upload.id)
        assert (seen.offset, seen.state, seen.expires_at) == (1000, UploadState.ASSEMBLING, later)

    async def test_the_states_of_one_batch_are_written_in_their_order(self, process: Process) -> None:
        upload = await added(process)
        async with holding(process, upload) as lease:
            await asyncio.gather(
                process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING), lease),
                process.ledger.record(a_receipt(upload, 100, 1000, state=UploadState.ASSEMBLING), lease),
            )
        assert (await kept(process, upload.id)).state is UploadState.ASSEMBLING

    async def test_a_late_expiry_never_shortens_a_later_one(self, process: Process) -> None:
        upload = await added(process)
        async with holding(process, upload) as lease:
            await process.ledger.record(a_receipt(upload, 0, 1, expires_at=NOW + timedelta(days=9)), lease)
            await process.ledger.record(a_receipt(upload, 1, 2, expires_at=NOW + timedelta(days=5)), lease)
        assert (await kept(process, upload.id)).expires_at == NOW + timedelta(days=9)

    @pytest.mark.parametrize("ended", [UploadState.COMPLETED, UploadState.ABORTED, UploadState.EXPIRED])
    @pytest.mark.parametrize("late", [UploadState.RECEIVING, UploadState.ASSEMBLING])
    async def test_a_late_receipt_moves_no_state_backwards(
        self, process: Process, ended: UploadState, late: UploadState
    ) -> None:
        upload = await added(process, an_upload(state=ended))
        async with holding(process, upload) as lease:
            receipt = a_receipt(upload, 0, 100, state=late, expires_at=NOW + timedelta(days=9))
            await process.ledger.record(receipt, lease)
        seen = await kept(process, upload.id)
        assert (seen.state, seen.expires_at) == (ended, upload.expires_at)

    async def test_assembling_does_not_become_receiving_again(self, process: Process) -> None:
        upload = await added(process, an_upload(state=UploadState.ASSEMBLING))
        async with holding(process, upload) as lease:
            await process.ledger.record(a_receipt(upload, 0, 100, state=UploadState.RECEIVING), lease)
        assert (await kept(process, upload.id)).state is UploadState.ASSEMBLING

    async def test_a_fold_replaces_the_smaller_stretches_within_it(self, process: Process) -> None:
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

    async def test_a_fold_of_the_very_same_range_stays(self, process: Process) -> None:
        upload = await added(process)
        async with holding(process, upload) as lease:
            await process.ledger.record(a_receipt(upload, 0, 60, 4), lease)
            await process.ledger.record(a_receipt(upload, 0, 60, 5, folds=True), lease)
        assert list((await kept(process, upload.id)).received) == [extent(0, 60, 5)]

    async def test_ten_thousand_chunks_do_not_stay_ten_thousand_rows(self, process: Process) -> None:
        upload = await added(process, an_upload(length=20_000))
        async with holding(process, upload) as lease:
            for at in range(0, 10_000, 500):
                receipts = counted(upload, *(extent(n, n + 1, 0) for n in range(at, at + 500)))
                await asyncio.gather(*(process.ledger.record(receipt, lease) for receipt in receipts))
        seen = await kept(process, upload.id)
        assert seen.offset == 10_000
        assert seen._unfolded < 2_500

    async def test_a_lost_lease_records_nothing(self, store: Store) -> None:
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

    async def test_a_released_lease_records_nothing(self, process: Process) -> None:
        upload = await added(process)
        async with holding(process, upload) as lease:
            pass
        await process.lock.close()
        with pytest.raises(UploadTakenOver):
            await process.ledger.record(a_receipt(upload, 0, 100), lease)

    async def test_a_made_up_lease_records_nothing(self, process: Process) -> None:
        upload = await added(process)
        with pytest.raises(UploadTakenOver):
            await process.ledger.record(a_receipt(upload, 0, 100), Lease(upload.id, an_id()))
        assert (await kept(process, upload.id)).offset == 0

    async def test_one_refused_receipt_does_not_harm_those_beside_it(self, process: Process) -> None:
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

    async def test_who_stops_waiting_harms_nobody(self, process: Process) -> None:
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
