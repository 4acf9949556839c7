"""Contract of ports/upload_lock.py, on every database; with real second processes where one can share it."""

import asyncio
import os
import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from adapters.outbound.sql.tables import upload_leases
from domain.errors import RepositoryUnavailable, UploadTakenOver
from domain.ids import UploadId
from ports.upload_lock import Lease
from tests.contract.suites.stores import added, kept
from tests.contract.suites.upload_lock import UploadLockSuite, Writer
from tests.support.builders import a_receipt, an_id
from tests.support.processes.lease_process import LeaseProcess
from tests.support.processes.postgres import PostgresCluster
from tests.support.stores import Process, Store
from tests.support.until import comes_true, wait_until


async def rows(process: Process) -> dict[str, str]:
    assert process.database is not None
    async with process.database.transaction() as transaction:
        found = await transaction.read(select(upload_leases))
    return {row["upload_id"]: row["token"] for row in found}


async def overwrite(
    process: Process,
    upload_id: UploadId,
    *,
    token: str | None = None,
    holder: str | None = None,
    expired: bool = False,
) -> None:
    """Change a lease's row as another process would, or the passing of time."""
    assert process.database is not None
    values: dict[str, object] = {}
    if token is not None:
        values["token"] = token
    if holder is not None:
        values["holder"] = holder
    if expired:
        values["expires_at"] = process.clock.now() - timedelta(seconds=1)
    changed = update(upload_leases).where(upload_leases.c.upload_id == upload_id).values(values)
    await process.database.write(lambda connection: connection.execute(changed))


async def ends_in(process: Process, upload_id: UploadId, *, seconds: float) -> None:
    assert process.database is not None
    end = process.clock.now() + timedelta(seconds=seconds)
    changed = update(upload_leases).where(upload_leases.c.upload_id == upload_id).values(expires_at=end)
    await process.database.write(lambda connection: connection.execute(changed))


class TestUploadLock(UploadLockSuite):
    """All of it."""


@pytest.fixture
def upload_id() -> UploadId:
    return UploadId(an_id())


async def test_closing_leaves_no_row_behind(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(), shared_store.process()
    for one in (upload_id, UploadId(an_id())):
        async with process.lock.hold(one, on_wanted=lambda: None):
            pass
    assert len(await rows(other)) == 2
    await process.lock.close()
    assert await rows(other) == {}


async def test_a_held_lease_is_renewed_and_a_warm_one_too(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(renew_seconds=0.5), shared_store.process()
    idle = UploadId(an_id())
    async with process.lock.hold(idle, on_wanted=lambda: None):
        pass
    writer = Writer(process, upload_id)
    lease = await writer.inside()
    assert other.database is not None
    ends = select(upload_leases.c.expires_at).order_by(upload_leases.c.upload_id)
    before = await other.column(ends)

    async def all_are_later() -> bool:
        return all(late > early for early, late in zip(before, await other.column(ends), strict=True))

    await comes_true(all_are_later)
    assert (await rows(other))[upload_id] == lease.token
    await writer.leave()


async def test_a_lease_that_was_taken_away_is_noticed(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(renew_seconds=0.5), shared_store.process()
    writer = Writer(process, upload_id)
    lost = await writer.inside()
    await overwrite(other, upload_id, token=an_id(), holder="elsewhere|1|1|1")
    async with asyncio.timeout(5):
        await writer.task
    assert writer.wanted == 1
    with pytest.raises(UploadTakenOver):
        lost.check()
    await overwrite(other, upload_id, expired=True)
    async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
        assert lease.token != lost.token


async def test_a_lease_that_ran_out_is_not_called_taken_over_until_it_is(shared_store: Store) -> None:
    process, other = shared_store.process(), shared_store.process()
    upload = await added(process)
    writer = Writer(process, upload.id)
    lease = await writer.inside()
    lease.check()
    process.clock.shift = timedelta(seconds=8)  # as if nothing could be renewed for so long
    with pytest.raises(RepositoryUnavailable):
        lease.check()
    async with asyncio.timeout(5):
        await writer.task
    assert writer.wanted == 1
    with pytest.raises(RepositoryUnavailable):
        lease.check()
    await process.ledger.record(a_receipt(upload, 0, 10), lease)  # nobody else has written in between
    await overwrite(other, upload.id, expired=True)
    async with other.lock.hold(upload.id, on_wanted=lambda: None):
        with pytest.raises(UploadTakenOver):
            await process.ledger.record(a_receipt(upload, 10, 20), lease)
    assert (await kept(process, upload.id)).offset == 10


async def test_a_lease_that_could_not_be_renewed_in_time_is_not_believed_in(
    postgres: PostgresCluster, postgres_url: str, upload_id: UploadId
) -> None:
    store = Store(postgres_url)
    await store.create()
    process = store.process()
    writer = Writer(process, upload_id)
    await writer.inside()
    postgres.stop()
    process.clock.shift = timedelta(seconds=8)  # as long as we may believe in it
    async with asyncio.timeout(5):
        await writer.task
    assert writer.wanted == 1
    with pytest.raises(RepositoryUnavailable):
        await Writer(process, upload_id).inside()
    postgres.start()
    after = Writer(process, upload_id)
    await after.inside()
    await after.leave()
    await store.close()


async def test_a_warm_lease_costs_no_database(
    postgres: PostgresCluster, postgres_url: str, upload_id: UploadId
) -> None:
    store = Store(postgres_url)
    await store.create()
    process = store.process()
    async with process.lock.hold(upload_id, on_wanted=lambda: None) as first:
        pass
    postgres.stop()
    async with process.lock.hold(upload_id, on_wanted=lambda: None) as second:
        assert second == first
    postgres.start()
    await store.close()


async def test_the_lease_of_a_dead_neighbour_is_taken_at_once(shared_store: Store) -> None:
    process = shared_store.process()
    upload = await added(process)
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload.id) as other:
        lost = Lease(upload.id, await other.line())
        os.kill(other.pid, signal.SIGKILL)
        began = time.monotonic()
        async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
            assert time.monotonic() - began < 1
            with pytest.raises(UploadTakenOver):
                await process.ledger.record(a_receipt(upload, 0, 10), lost)
            await process.ledger.record(a_receipt(upload, 0, 5), lease)
    assert (await kept(process, upload.id)).offset == 5


async def test_a_real_process_hands_over_within_two_seconds(shared_store: Store, upload_id: UploadId) -> None:
    process = shared_store.process()
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload_id) as other:
        await other.line()
        began = time.monotonic()
        async with process.lock.hold(upload_id, on_wanted=lambda: None):
            assert time.monotonic() - began < 2
        assert await other.line() == "wanted"
        assert await other.line() == "left"


async def test_a_frozen_process_comes_back_too_late(shared_store: Store) -> None:
    process = shared_store.process()
    upload = await added(process)
    assert shared_store.url is not None
    with LeaseProcess(shared_store.url, upload.id, stubborn=True) as other:
        await other.line()
        os.kill(other.pid, signal.SIGSTOP)
        await overwrite(process, upload.id, expired=True)
        async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
            await process.ledger.record(a_receipt(upload, 0, 5), lease)
            os.kill(other.pid, signal.SIGCONT)
            other.go_on()
            answers = {await other.line(), await other.line()}
    assert answers <= {"wanted", "upload_taken_over", "left"} and "upload_taken_over" in answers
    assert (await kept(process, upload.id)).offset == 5


async def test_a_holder_on_another_machine_is_waited_for_until_its_lease_runs_out(
    shared_store: Store, upload_id: UploadId
) -> None:
    dead, process = shared_store.process(), shared_store.process()
    await Writer(dead, upload_id).inside()
    await overwrite(process, upload_id, token=an_id(), holder="elsewhere|1|1|1")
    await ends_in(process, upload_id, seconds=1)
    began = time.monotonic()
    async with process.lock.hold(upload_id, on_wanted=lambda: None):
        assert 0.6 < time.monotonic() - began < 2.5


async def test_a_clock_that_was_put_back_keeps_nobody_out(shared_store: Store, upload_id: UploadId) -> None:
    dead, process = shared_store.process(), shared_store.process()
    await Writer(dead, upload_id).inside()
    await overwrite(process, upload_id, token=an_id(), holder="elsewhere|1|1|1")
    await ends_in(process, upload_id, seconds=3600)
    began = time.monotonic()
    async with process.lock.hold(upload_id, on_wanted=lambda: None):
        assert time.monotonic() - began < 1


async def test_a_process_that_died_waiting_keeps_nobody_out(shared_store: Store) -> None:
    ours, process = shared_store.process(), shared_store.process()
    upload = await added(process)
    upload_id = upload.id
    holder = Writer(ours, upload_id, stubborn=True)
    left = await holder.inside()
    assert process.database is not None
    dead = update(upload_leases).where(upload_leases.c.upload_id == upload_id).values(wanted_by="dead:1")
    await process.database.write(lambda connection: connection.execute(dead))
    await wait_until(lambda: holder.wanted == 1)
    await holder.leave()
    await asyncio.sleep(0.2)
    with pytest.raises(UploadTakenOver):
        await ours.ledger.record(a_receipt(upload, 0, 10), left)
    for one in (process, ours):
        began = time.monotonic()
        async with one.lock.hold(upload_id, on_wanted=lambda: None):
            assert time.monotonic() - began < 1
