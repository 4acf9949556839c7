"""Contract of ports/upload_lock.py, on every database; with real second processes where one can share it."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from adapters.outbound.sql.tables import upload_leases
from domain.errors import ChecksumMismatch, RepositoryUnavailable, UploadBusy, UploadTakenOver
from domain.ids import UploadId
from ports.upload_lock import Lease
from tests.support.builders import a_receipt, an_id
from tests.support.lease_process import LeaseProcess
from tests.support.postgres import PostgresCluster
from tests.support.stores import Process, Store, added, kept
from tests.support.until import wait_until


class Writer:
    """One request that writes an upload, until it is told to leave."""

    def __init__(self, process: Process, upload_id: UploadId, *, stubborn: bool = False) -> None:
        self._lock = process.lock
        self._upload_id = upload_id
        self._stubborn = stubborn
        self.wanted = 0
        self._may_leave = asyncio.Event()
        self._inside = asyncio.Event()
        self.lease: Lease | None = None
        self.task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        async with self._lock.hold(self._upload_id, on_wanted=self._on_wanted) as lease:
            self.lease = lease
            self._inside.set()
            await self._may_leave.wait()

    def _on_wanted(self) -> None:
        self.wanted += 1
        if not self._stubborn:
            self._may_leave.set()

    async def inside(self) -> Lease:
        """The lease, once the writer is in its block."""
        async with asyncio.timeout(15):
            await asyncio.wait(
                {self.task, waiting := asyncio.create_task(self._inside.wait())},
                return_when="FIRST_COMPLETED",
            )
            waiting.cancel()
        if self.lease is None:
            self.task.result()
        assert self.lease is not None
        return self.lease

    async def leave(self) -> None:
        self._may_leave.set()
        await self.task


@pytest.fixture
def upload_id() -> UploadId:
    return UploadId(an_id())


async def test_the_lease_names_its_upload(process: Process, upload_id: UploadId) -> None:
    async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
        assert lease.upload_id == upload_id
        assert lease.token


async def test_different_uploads_do_not_wait_for_one_another(process: Process) -> None:
    async with AsyncExitStack() as stack:
        holds = [process.lock.hold(UploadId(an_id()), on_wanted=lambda: None) for _ in range(100)]
        leases = await asyncio.gather(*(stack.enter_async_context(hold) for hold in holds))
    assert len({lease.token for lease in leases}) == 100


async def test_the_token_stays_while_nobody_else_has_written(process: Process, upload_id: UploadId) -> None:
    tokens = set()
    for _ in range(5):
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
            tokens.add(lease.token)
        await asyncio.sleep(0.01)
    assert len(tokens) == 1


async def test_the_token_changes_when_another_process_has_written(store: Store, upload_id: UploadId) -> None:
    ours, theirs = store.process(), store.process()
    tokens = []
    for process in (ours, theirs, ours, theirs):
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
            tokens.append(lease.token)
    assert len(set(tokens)) == 4


async def test_a_newer_request_in_the_same_process_ends_the_older_one(process: Process, upload_id: UploadId) -> None:
    older = Writer(process, upload_id)
    first = await older.inside()
    began = time.monotonic()
    newer = Writer(process, upload_id)
    assert (await newer.inside()).token == first.token
    assert time.monotonic() - began < 1
    assert older.task.done() and older.wanted == 1 and newer.wanted == 0
    await newer.leave()


async def test_a_newer_request_in_another_process_ends_the_older_one(store: Store, upload_id: UploadId) -> None:
    older = Writer(store.process(), upload_id)
    first = await older.inside()
    began = time.monotonic()
    newer = Writer(store.process(), upload_id)
    assert (await newer.inside()).token != first.token
    assert time.monotonic() - began < 2
    assert older.task.done() and older.wanted == 1 and newer.wanted == 0
    await newer.leave()


async def test_blocks_of_one_upload_never_overlap(store: Store, upload_id: UploadId) -> None:
    processes = [store.process(), store.process()]
    inside = most = entered = 0

    async def write(process: Process) -> None:
        nonlocal inside, most, entered
        wanted = asyncio.Event()
        try:
            async with process.lock.hold(upload_id, on_wanted=wanted.set):
                inside, entered = inside + 1, entered + 1
                most = max(most, inside)
                await asyncio.wait({waiting := asyncio.create_task(wanted.wait())}, timeout=0.02)
                waiting.cancel()
                inside -= 1
        except UploadBusy:
            pass

    async def come_in_turns() -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(40):
                tasks.create_task(write(processes[n % 2 if n % 7 else 0]))
                await asyncio.sleep(0.01)

    await come_in_turns()
    assert most == 1 and entered >= 1


async def test_of_several_that_wait_the_newest_gets_it(process: Process, upload_id: UploadId) -> None:
    holder = Writer(process, upload_id, stubborn=True)
    await holder.inside()
    waiters = []
    for _ in range(4):
        waiters.append(Writer(process, upload_id))
        await asyncio.sleep(0.02)
    await holder.leave()
    await waiters[-1].inside()
    for older in waiters[:-1]:
        with pytest.raises(UploadBusy):
            await older.inside()
    assert holder.wanted == 1
    await waiters[-1].leave()


async def test_of_several_processes_that_wait_the_newest_gets_it(store: Store, upload_id: UploadId) -> None:
    holder = Writer(store.process(), upload_id, stubborn=True)
    await holder.inside()
    older = Writer(store.process(), upload_id)
    await wait_until(lambda: holder.wanted == 1)
    newer = Writer(store.process(), upload_id)
    with pytest.raises(UploadBusy, match="newer"):
        await older.inside()
    await holder.leave()
    await newer.inside()
    await newer.leave()


async def test_of_two_that_come_at_once_the_newer_gets_it(process: Process, upload_id: UploadId) -> None:
    older, newer = Writer(process, upload_id), Writer(process, upload_id)
    began = time.monotonic()
    await newer.inside()
    assert time.monotonic() - began < 1.5
    await asyncio.wait({older.task})
    assert older.wanted == 1 or isinstance(older.task.exception(), UploadBusy)
    await newer.leave()


async def test_a_newer_request_of_another_process_beats_one_that_waits_here(store: Store, upload_id: UploadId) -> None:
    ours, theirs = store.process(), store.process()
    holder = Writer(ours, upload_id, stubborn=True)
    await holder.inside()
    waiter = Writer(ours, upload_id)
    await wait_until(lambda: holder.wanted == 1)
    newer = Writer(theirs, upload_id)
    with pytest.raises(UploadBusy, match="newer"):
        await waiter.inside()
    await holder.leave()
    await newer.inside()
    await newer.leave()


async def test_a_newer_request_here_beats_one_that_waits_in_another_process(store: Store, upload_id: UploadId) -> None:
    ours, theirs = store.process(), store.process()
    holder = Writer(ours, upload_id, stubborn=True)
    await holder.inside()
    waiter = Writer(theirs, upload_id)
    await wait_until(lambda: holder.wanted == 1)
    newer = Writer(ours, upload_id)
    await asyncio.sleep(0.05)
    await holder.leave()
    await newer.inside()
    with pytest.raises(UploadBusy, match="newer"):
        await waiter.inside()
    await asyncio.sleep(0.3)
    assert newer.wanted == 0
    await newer.leave()


async def test_a_living_holder_that_does_not_let_go_makes_it_busy(store: Store, upload_id: UploadId) -> None:
    holder = Writer(store.process(), upload_id, stubborn=True)
    lease = await holder.inside()
    began = time.monotonic()
    with pytest.raises(UploadBusy):
        await Writer(store.process(), upload_id).inside()
    assert 1.5 < time.monotonic() - began < 4
    assert holder.wanted == 1 and holder.lease == lease
    await holder.leave()


async def test_a_stubborn_holder_in_the_same_process_makes_it_busy(process: Process, upload_id: UploadId) -> None:
    holder = Writer(process, upload_id, stubborn=True)
    await holder.inside()
    began = time.monotonic()
    with pytest.raises(UploadBusy):
        await Writer(process, upload_id).inside()
    assert 1.5 < time.monotonic() - began < 4
    await holder.leave()
    after = Writer(process, upload_id)
    await after.inside()
    await after.leave()


async def test_after_a_cancelled_block_the_token_is_a_new_one(process: Process, upload_id: UploadId) -> None:
    """What the cancelled request had begun may still be on its way to the ledger: there it is refused."""
    upload = await added(process)
    writer = Writer(process, upload.id)
    lost = await writer.inside()
    writer.task.cancel()
    await asyncio.wait({writer.task})
    async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        assert lease.token != lost.token
        with pytest.raises(UploadTakenOver):
            await process.ledger.record(a_receipt(upload, 0, 10), lost)
        await process.ledger.record(a_receipt(upload, 0, 5), lease)
    assert (await kept(process, upload.id)).offset == 5


async def test_a_refusal_in_the_block_changes_no_token(process: Process, upload_id: UploadId) -> None:
    with pytest.raises(ChecksumMismatch):
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as first:
            raise ChecksumMismatch("another one")
    async with process.lock.hold(upload_id, on_wanted=lambda: None) as second:
        assert second == first


async def test_a_request_cancelled_while_it_waits_leaves_no_trace(store: Store, upload_id: UploadId) -> None:
    holder = Writer(store.process(), upload_id, stubborn=True)
    await holder.inside()
    for process in (store.process(), store.process()):
        waiter = Writer(process, upload_id)
        await asyncio.sleep(0.1)
        waiter.task.cancel()
        await asyncio.wait({waiter.task})
    await holder.leave()
    after = Writer(store.process(), upload_id)
    await after.inside()
    await after.leave()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 6, 8, 12, 16])
async def test_a_request_cancelled_at_any_moment_keeps_nobody_out(
    store: Store, upload_id: UploadId, turns: int
) -> None:
    process = store.process()
    cancelled = Writer(process, upload_id)
    for _ in range(turns):
        await asyncio.sleep(0.001)
    cancelled.task.cancel()
    await asyncio.wait({cancelled.task})
    for other in (store.process(), process):
        began = time.monotonic()
        writer = Writer(other, upload_id)
        await writer.inside()
        await writer.leave()
        assert time.monotonic() - began < 1.5


async def test_closing_lets_everything_go(store: Store, upload_id: UploadId) -> None:
    ours, theirs = store.process(), store.process()
    idle = UploadId(an_id())
    async with ours.lock.hold(idle, on_wanted=lambda: None):
        pass
    busy = Writer(ours, upload_id)
    held = await busy.inside()
    held.check()
    await ours.lock.close()
    began = time.monotonic()
    for one in (idle, upload_id):
        async with theirs.lock.hold(one, on_wanted=lambda: None):
            pass
    assert time.monotonic() - began < 1
    assert busy.wanted == 1
    await busy.task
    with pytest.raises(UploadTakenOver):
        held.check()


# What only a database that processes share can show


async def rows(process: Process) -> dict[str, str]:
    assert process.database is not None
    async with process.database.transaction() as transaction:
        found = await transaction.read(select(upload_leases))
    return {row["upload_id"]: row["token"] for row in found}


async def test_closing_leaves_no_row_behind(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(), shared_store.process()
    for one in (upload_id, UploadId(an_id())):
        async with process.lock.hold(one, on_wanted=lambda: None):
            pass
    assert len(await rows(other)) == 2
    await process.lock.close()
    assert await rows(other) == {}


async def test_a_held_lease_is_renewed_and_a_warm_one_too(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(), shared_store.process()
    idle = UploadId(an_id())
    async with process.lock.hold(idle, on_wanted=lambda: None):
        pass
    writer = Writer(process, upload_id)
    lease = await writer.inside()
    assert other.database is not None
    ends = select(upload_leases.c.expires_at).order_by(upload_leases.c.upload_id)
    async with other.database.transaction() as transaction:
        before = [row["expires_at"] for row in await transaction.read(ends)]
        await asyncio.sleep(3.6)
        after = [row["expires_at"] for row in await transaction.read(ends)]
    assert all(late - early > timedelta(seconds=2) for early, late in zip(before, after, strict=True))
    assert (await rows(other))[upload_id] == lease.token
    await writer.leave()


async def test_a_lease_that_was_taken_away_is_noticed(shared_store: Store, upload_id: UploadId) -> None:
    process, other = shared_store.process(), shared_store.process()
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
    await ends_in(process, upload_id, seconds=3)
    began = time.monotonic()
    async with process.lock.hold(upload_id, on_wanted=lambda: None):
        assert 2.3 < time.monotonic() - began < 4.5


async def ends_in(process: Process, upload_id: UploadId, *, seconds: float) -> None:
    assert process.database is not None
    end = process.clock.now() + timedelta(seconds=seconds)
    changed = update(upload_leases).where(upload_leases.c.upload_id == upload_id).values(expires_at=end)
    await process.database.write(lambda connection: connection.execute(changed))


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
