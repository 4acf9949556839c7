"""Contract of ports/upload_lock.py for holders of byte ranges, on every database; with real second processes."""

import asyncio
import os
import signal
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Select, select, update

from adapters.outbound.sql.tables import range_leases, upload_leases
from domain.byte_range import ByteRange
from domain.errors import RepositoryUnavailable, UploadTakenOver
from domain.ids import UploadId
from tests.contract.suites.stores import added, kept
from tests.contract.suites.upload_lock_ranges import BOTH, FIRST, SECOND, Holder, UploadLockRangesSuite
from tests.support.builders import a_receipt, an_id
from tests.support.processes.lease_process import LeaseProcess
from tests.support.stores import Process, Store
from tests.support.until import comes_true


async def expire_all(process: Process, upload_id: UploadId) -> None:
    assert process.database is not None
    past = {"expires_at": process.clock.now() - timedelta(seconds=1)}

    def let_run_out(connection: Connection) -> None:
        for table in (range_leases, upload_leases):
            connection.execute(update(table).where(table.c.upload_id == upload_id).values(past))

    await process.database.write(let_run_out)


class TestUploadLockRanges(UploadLockRangesSuite):
    """All of it."""


@pytest.fixture
def upload_id() -> UploadId:
    return UploadId(an_id())


@pytest.mark.parametrize("wanted", [None, FIRST], ids=["the whole", "the same bytes"])
async def test_a_holder_that_was_thought_dead_records_nothing(shared_store: Store, wanted: ByteRange | None) -> None:
    process, other = shared_store.process(), shared_store.process()
    upload = await added(process)
    thought_dead = Holder(other, upload.id, FIRST, stubborn=True)
    lost = await thought_dead.inside()
    await expire_all(process, upload.id)
    async with process.lock.hold(upload.id, on_wanted=lambda: None, range_=wanted) as lease:
        with pytest.raises(UploadTakenOver):
            await other.ledger.record(a_receipt(upload, 0, 100), lost)
        await process.ledger.record(a_receipt(upload, 0, 50), lease)
    assert (await kept(process, upload.id)).offset == 50
    await thought_dead.leave()


async def test_leaving_comes_too_late_for_who_was_thought_dead(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(), shared_store.process()
    thought_dead = Holder(other, upload_id, FIRST, stubborn=True)
    await thought_dead.inside()
    await expire_all(process, upload_id)
    whole = Holder(process, upload_id, None)
    lease = await whole.inside()
    await thought_dead.leave()
    await other.lock.close()
    assert process.database is not None
    async with process.database.transaction() as transaction:
        [row] = await transaction.read(select(upload_leases).where(upload_leases.c.upload_id == upload_id))
    assert row["token"] == lease.token and row["expires_at"] > process.clock.now()
    await whole.leave()


async def test_a_range_is_renewed_while_it_is_held(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(renew_seconds=0.5), shared_store.process()
    holder = Holder(process, upload_id, FIRST)
    lease = await holder.inside()
    assert other.database is not None
    ends = [select(table.c.expires_at) for table in (range_leases, upload_leases)]
    for end in ends:
        [before] = await other.column(end)

        async def is_later(end: Select[Any] = end, before: Any = before) -> bool:
            return await other.column(end) != [before]

        await comes_true(is_later)
    lease.check()
    assert not holder.task.done()
    await holder.leave()


async def test_a_range_that_was_taken_away_is_noticed(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(renew_seconds=0.5), shared_store.process()
    holder = Holder(process, upload_id, FIRST)
    lost = await holder.inside()
    await expire_all(other, upload_id)
    async with other.lock.hold(upload_id, on_wanted=lambda: None):
        async with asyncio.timeout(5):
            await holder.task
        assert holder.wanted == 1
        with pytest.raises(UploadTakenOver):
            lost.check()


async def test_a_range_that_ran_out_is_not_called_taken_over(shared_store: Store, upload_id: UploadId) -> None:
    process = shared_store.process()
    holder = Holder(process, upload_id, FIRST)
    lease = await holder.inside()
    process.clock.shift = timedelta(seconds=8)  # as if nothing could be renewed for so long
    with pytest.raises(RepositoryUnavailable):
        lease.check()
    async with asyncio.timeout(5):
        await holder.task
    assert holder.wanted == 1
    with pytest.raises(RepositoryUnavailable):
        lease.check()


async def test_a_clock_that_was_put_back_keeps_no_range_out(shared_store: Store, upload_id: UploadId) -> None:
    dead, process = shared_store.process(), shared_store.process()
    await Holder(dead, upload_id, FIRST).inside()
    assert process.database is not None
    later = {"expires_at": process.clock.now() + timedelta(hours=1), "holder": "elsewhere|1|1|1"}
    await process.database.write(lambda connection: connection.execute(update(range_leases).values(later)))
    began = time.monotonic()
    async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=FIRST):
        assert time.monotonic() - began < 1


async def test_one_that_died_waiting_for_the_whole_keeps_no_range_out(shared_store: Store, upload_id: UploadId) -> None:
    process = shared_store.process(wait_seconds=20)
    holder = Holder(process, upload_id, FIRST)
    await holder.inside()
    assert process.database is not None
    dead = update(upload_leases).values(wanted_by="dead:1")
    await process.database.write(lambda connection: connection.execute(dead))
    began = time.monotonic()
    async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=SECOND):
        assert time.monotonic() - began < 5  # it is thought to wait for a second
    await holder.task


@pytest.mark.parametrize("wanted", [None, BOTH, SECOND], ids=["the whole", "the same bytes", "others"])
@pytest.mark.parametrize("held", [None, FIRST], ids=["whole", "range"])
async def test_what_a_dead_neighbour_held_is_free_at_once(
    shared_store: Store, held: ByteRange | None, wanted: ByteRange | None
) -> None:
    process = shared_store.process()
    upload = await added(process)
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload.id, range_=held) as other:
        await other.line()
        os.kill(other.pid, signal.SIGKILL)
        began = time.monotonic()
        async with process.lock.hold(upload.id, on_wanted=lambda: None, range_=wanted):
            assert time.monotonic() - began < 1


@pytest.mark.parametrize("wanted", [None, BOTH], ids=["the whole", "the same bytes"])
async def test_a_real_process_hands_its_range_over_within_two_seconds(
    shared_store: Store, upload_id: UploadId, wanted: ByteRange | None
) -> None:
    process = shared_store.process()
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload_id, range_=FIRST) as other:
        await other.line()
        async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=SECOND):
            pass
        began = time.monotonic()
        async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=wanted):
            assert time.monotonic() - began < 2
        assert await other.line() == "wanted"
        assert await other.line() == "left"


@pytest.mark.parametrize("wanted", [None, BOTH], ids=["the whole", "the same bytes"])
async def test_a_frozen_process_comes_back_too_late_for_its_range(
    shared_store: Store, wanted: ByteRange | None
) -> None:
    process = shared_store.process()
    upload = await added(process)
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload.id, stubborn=True, range_=FIRST) as other:
        await other.line()
        os.kill(other.pid, signal.SIGSTOP)
        await expire_all(process, upload.id)
        async with process.lock.hold(upload.id, on_wanted=lambda: None, range_=wanted) as lease:
            await process.ledger.record(a_receipt(upload, 0, 5), lease)
            os.kill(other.pid, signal.SIGCONT)
            other.go_on()
            answers = {await other.line(), await other.line()}
    assert answers <= {"wanted", "upload_taken_over", "left"} and "upload_taken_over" in answers
    assert (await kept(process, upload.id)).offset == 5
