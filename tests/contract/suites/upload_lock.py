"""What every upload lock promises (ports/upload_lock.py)."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from domain.errors import ChecksumMismatch, UploadBusy, UploadTakenOver
from domain.ids import UploadId
from ports.upload_lock import Lease
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import a_receipt, an_id
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


class UploadLockSuite(StoreSuite):
    @pytest.fixture
    def upload_id(self) -> UploadId:
        return UploadId(an_id())

    async def test_the_lease_names_its_upload(self, process: Process, upload_id: UploadId) -> None:
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
            assert lease.upload_id == upload_id
            assert lease.token

    async def test_different_uploads_do_not_wait_for_one_another(self, process: Process) -> None:
        async with AsyncExitStack() as stack:
            holds = [process.lock.hold(UploadId(an_id()), on_wanted=lambda: None) for _ in range(100)]
            leases = await asyncio.gather(*(stack.enter_async_context(hold) for hold in holds))
        assert len({lease.token for lease in leases}) == 100

    async def test_the_token_stays_while_nobody_else_has_written(self, process: Process, upload_id: UploadId) -> None:
        tokens = set()
        for _ in range(5):
            async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
                tokens.add(lease.token)
            await asyncio.sleep(0.01)
        assert len(tokens) == 1

    async def test_the_token_changes_when_another_process_has_written(self, store: Store, upload_id: UploadId) -> None:
        ours, theirs = store.process(), store.process()
        tokens = []
        for process in (ours, theirs, ours, theirs):
            async with process.lock.hold(upload_id, on_wanted=lambda: None) as lease:
                tokens.append(lease.token)
        assert len(set(tokens)) == 4

    async def test_a_newer_request_in_the_same_process_ends_the_older_one(
        self, process: Process, upload_id: UploadId
    ) -> None:
        older = Writer(process, upload_id)
        first = await older.inside()
        began = time.monotonic()
        newer = Writer(process, upload_id)
        assert (await newer.inside()).token == first.token
        assert time.monotonic() - began < 1
        assert older.task.done() and older.wanted == 1 and newer.wanted == 0
        await newer.leave()

    async def test_a_newer_request_in_another_process_ends_the_older_one(
        self, store: Store, upload_id: UploadId
    ) -> None:
        older = Writer(store.process(), upload_id)
        first = await older.inside()
        began = time.monotonic()
        newer = Writer(store.process(), upload_id)
        assert (await newer.inside()).token != first.token
        assert time.monotonic() - began < 2
        assert older.task.done() and older.wanted == 1 and newer.wanted == 0
        await newer.leave()

    async def test_blocks_of_one_upload_never_overlap(self, store: Store, upload_id: UploadId) -> None:
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

    async def test_of_several_that_wait_the_newest_gets_it(self, process: Process, upload_id: UploadId) -> None:
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

    async def test_of_several_processes_that_wait_the_newest_gets_it(self, store: Store, upload_id: UploadId) -> None:
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

    async def test_of_two_that_come_at_once_the_newer_gets_it(self, process: Process, upload_id: UploadId) -> None:
        older, newer = Writer(process, upload_id), Writer(process, upload_id)
        began = time.monotonic()
        await newer.inside()
        assert time.monotonic() - began < 1.5
        await asyncio.wait({older.task})
        assert older.wanted == 1 or isinstance(older.task.exception(), UploadBusy)
        await newer.leave()

    async def test_a_newer_request_of_another_process_beats_one_that_waits_here(
        self, store: Store, upload_id: UploadId
    ) -> None:
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

    async def test_a_newer_request_here_beats_one_that_waits_in_another_process(
        self, store: Store, upload_id: UploadId
    ) -> None:
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

    async def test_a_living_holder_that_does_not_let_go_makes_it_busy(self, store: Store, upload_id: UploadId) -> None:
        holder = Writer(store.process(), upload_id, stubborn=True)
        lease = await holder.inside()
        began = time.monotonic()
        with pytest.raises(UploadBusy):
            await Writer(store.process(wait_seconds=0.6), upload_id).inside()
        assert 0.4 < time.monotonic() - began < 2.6
        assert holder.wanted == 1 and holder.lease == lease
        await holder.leave()

    async def test_a_stubborn_holder_in_the_same_process_makes_it_busy(self, store: Store, upload_id: UploadId) -> None:
        process = store.process(wait_seconds=0.6)
        holder = Writer(process, upload_id, stubborn=True)
        await holder.inside()
        began = time.monotonic()
        with pytest.raises(UploadBusy):
            await Writer(process, upload_id).inside()
        assert 0.4 < time.monotonic() - began < 2.6
        await holder.leave()
        after = Writer(process, upload_id)
        await after.inside()
        await after.leave()

    async def test_after_a_cancelled_block_the_token_is_a_new_one(self, process: Process, upload_id: UploadId) -> None:
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

    async def test_a_refusal_in_the_block_changes_no_token(self, process: Process, upload_id: UploadId) -> None:
        with pytest.raises(ChecksumMismatch):
            async with process.lock.hold(upload_id, on_wanted=lambda: None) as first:
                raise ChecksumMismatch("another one")
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as second:
            assert second == first

    async def test_a_request_cancelled_while_it_waits_leaves_no_trace(self, store: Store, upload_id: UploadId) -> None:
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
        self, store: Store, upload_id: UploadId, turns: int
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

    async def test_closing_lets_everything_go(self, store: Store, upload_id: UploadId) -> None:
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
