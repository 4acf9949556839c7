"""What every upload lock promises of leases of byte ranges (ports/upload_lock.py)."""

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest

from domain.byte_range import ByteRange
from domain.errors import UploadBusy, UploadTakenOver
from domain.ids import UploadId
from ports.upload_lock import Lease
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import a_receipt, an_id
from tests.support.until import wait_until

FIRST, SECOND, BOTH = ByteRange(0, 100), ByteRange(100, 200), ByteRange(50, 150)


class Holder:
    """One request that holds bytes (None: all) of an upload until it is told to leave."""

    def __init__(
        self, process: Process, upload_id: UploadId, range_: ByteRange | None, *, stubborn: bool = False
    ) -> None:
        self._process = process
        self._upload_id = upload_id
        self._range = range_
        self._stubborn = stubborn
        self.wanted = 0
        self._may_leave = asyncio.Event()
        self._inside = asyncio.Event()
        self.lease: Lease | None = None
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._process.lock.hold(
            self._upload_id, on_wanted=self._on_wanted, range_=self._range
        ) as self.lease:
            self._inside.set()
            await self._may_leave.wait()

    def _on_wanted(self) -> None:
        self.wanted += 1
        if not self._stubborn:
            self._may_leave.set()

    async def inside(self) -> Lease:
        """The lease, once it is held."""
        waiting = asyncio.create_task(self._inside.wait())
        async with asyncio.timeout(15):
            await asyncio.wait({self.task, waiting}, return_when="FIRST_COMPLETED")
        waiting.cancel()
        if self.lease is None:
            self.task.result()
        assert self.lease is not None
        return self.lease

    async def leave(self) -> None:
        self._may_leave.set()
        await self.task


class UploadLockRangesSuite(StoreSuite):
    @pytest.fixture
    def upload_id(self) -> UploadId:
        return UploadId(an_id())

    async def test_a_ranges_lease_names_its_bytes(self, process: Process, upload_id: UploadId) -> None:
        async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=FIRST) as lease:
            assert (lease.upload_id, lease.range) == (upload_id, FIRST)
            assert lease.token and lease.generation
            lease.check()
        async with process.lock.hold(upload_id, on_wanted=lambda: None) as whole:
            assert whole.range is None and whole.generation == whole.token

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_holders_of_disjoint_ranges_are_side_by_side(
        self, store: Store, upload_id: UploadId, processes: int
    ) -> None:
        running = [store.process() for _ in range(processes)]
        async with AsyncExitStack() as stack:
            began = time.monotonic()
            holds = [
                running[n % processes].lock.hold(
                    upload_id, on_wanted=lambda: None, range_=ByteRange(n * 10, n * 10 + 10)
                )
                for n in range(50)
            ]
            leases = await asyncio.gather(*(stack.enter_async_context(hold) for hold in holds))
            assert time.monotonic() - began < 2
        assert len({lease.token for lease in leases}) == 50
        assert len({lease.generation for lease in leases}) == 1

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_for_the_same_bytes_the_newest_request_wins(
        self, store: Store, upload_id: UploadId, processes: int
    ) -> None:
        running = [store.process() for _ in range(processes)]
        older, beside = Holder(running[0], upload_id, FIRST), Holder(running[0], upload_id, ByteRange(150, 200))
        await asyncio.gather(older.inside(), beside.inside())
        began = time.monotonic()
        newer = Holder(running[-1], upload_id, BOTH)
        await newer.inside()
        assert time.monotonic() - began < 2
        assert older.task.done() and older.wanted == 1
        assert not beside.task.done() and beside.wanted == 0
        await asyncio.gather(newer.leave(), beside.leave())

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_of_several_that_wait_for_the_same_bytes_the_newest_gets_them(
        self, store: Store, upload_id: UploadId, processes: int
    ) -> None:
        running = [store.process() for _ in range(processes)]
        holder = Holder(running[0], upload_id, FIRST, stubborn=True)
        await holder.inside()
        older = Holder(running[-1], upload_id, FIRST)
        await wait_until(lambda: holder.wanted == 1)
        newer = Holder(running[0], upload_id, FIRST)
        with pytest.raises(UploadBusy, match="newer"):
            await older.inside()
        await holder.leave()
        await newer.inside()
        await newer.leave()

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_who_wants_the_whole_ends_all_ranges(self, store: Store, upload_id: UploadId, processes: int) -> None:
        running = [store.process() for _ in range(processes)]
        ranges = [Holder(running[0], upload_id, FIRST), Holder(running[-1], upload_id, SECOND)]
        for holder in ranges:
            await holder.inside()
        began = time.monotonic()
        whole = Holder(running[-1], upload_id, None)
        await whole.inside()
        assert time.monotonic() - began < 2
        assert all(holder.task.done() and holder.wanted == 1 for holder in ranges)
        await whole.leave()

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_ranges_wait_for_the_whole_and_all_get_in(
        self, store: Store, upload_id: UploadId, processes: int
    ) -> None:
        running = [store.process() for _ in range(processes)]
        whole = Holder(running[0], upload_id, None, stubborn=True)
        await whole.inside()
        ranges = [Holder(running[n % processes], upload_id, ByteRange(n * 10, n * 10 + 10)) for n in range(20)]
        await asyncio.sleep(0.4)
        assert all(holder.lease is None and not holder.task.done() for holder in ranges)
        assert whole.wanted == 1
        await whole.leave()
        await asyncio.gather(*(holder.inside() for holder in ranges))
        await asyncio.gather(*(holder.leave() for holder in ranges))

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_a_whole_upload_that_nobody_is_in_is_given_up_for_ranges(
        self, store: Store, upload_id: UploadId, processes: int
    ) -> None:
        running = [store.process() for _ in range(processes)]
        async with running[0].lock.hold(upload_id, on_wanted=lambda: None) as before:
            pass
        began = time.monotonic()
        async with running[-1].lock.hold(upload_id, on_wanted=lambda: None, range_=FIRST):
            assert time.monotonic() - began < 1
        async with running[0].lock.hold(upload_id, on_wanted=lambda: None) as after:
            assert after.token != before.token

    async def test_new_ranges_do_not_keep_out_who_wants_the_whole(self, store: Store, upload_id: UploadId) -> None:
        running = [store.process(), store.process()]
        is_over = False

        async def keep_coming(process: Process, start: int) -> None:
            while not is_over:
                holder = Holder(process, upload_id, ByteRange(start, start + 10))
                try:
                    await holder.inside()
                    await asyncio.wait({holder.task}, timeout=0.02)
                    await holder.leave()
                except UploadBusy:
                    await asyncio.sleep(0.01)

        crowd = [asyncio.create_task(keep_coming(running[n % 2], n * 10)) for n in range(8)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        async with running[0].lock.hold(upload_id, on_wanted=lambda: None):
            assert time.monotonic() - began < 2
        is_over = True
        await asyncio.gather(*crowd)

    async def test_no_byte_ever_has_two_holders(self, store: Store, upload_id: UploadId) -> None:
        running = [store.process(), store.process()]
        inside: list[ByteRange] = []
        entered = wholes = 0
        choice = random.Random(4)

        async def come(process: Process, range_: ByteRange | None) -> None:
            nonlocal entered, wholes
            wanted = asyncio.Event()
            all_of_it = range_ or ByteRange(0, 1000)
            try:
                async with process.lock.hold(upload_id, on_wanted=wanted.set, range_=range_):
                    assert not any(other.overlaps(all_of_it) for other in inside)
                    inside.append(all_of_it)
                    entered, wholes = entered + 1, wholes + (range_ is None)
                    waiting = asyncio.create_task(wanted.wait())
                    await asyncio.wait({waiting}, timeout=choice.random() * 0.05)
                    waiting.cancel()
                    inside.remove(all_of_it)
            except UploadBusy:
                pass

        async with asyncio.TaskGroup() as tasks:
            for n in range(150):
                start = choice.randrange(0, 900)
                range_ = None if n % 13 == 0 else ByteRange(start, start + choice.randrange(1, 100))
                tasks.create_task(come(running[choice.randrange(2)], range_))
                await asyncio.sleep(0.005)
        assert entered > 30 and wholes > 0 and inside == []

    async def test_the_generation_lasts_until_somebody_has_the_whole(self, store: Store, upload_id: UploadId) -> None:
        ours, theirs = store.process(), store.process()
        generations = []
        for process, range_ in ((ours, FIRST), (theirs, SECOND), (ours, SECOND), (ours, None), (theirs, FIRST)):
            async with process.lock.hold(upload_id, on_wanted=lambda: None, range_=range_) as lease:
                generations.append(lease.generation)
        assert generations[0] == generations[1] == generations[2]
        assert len(set(generations)) == 3

    @pytest.mark.parametrize("wanted", [None, FIRST], ids=["the whole", "the same bytes"])
    async def test_a_stubborn_holder_of_a_range_makes_it_busy(
        self, store: Store, upload_id: UploadId, wanted: ByteRange | None
    ) -> None:
        holder = Holder(store.process(), upload_id, FIRST, stubborn=True)
        await holder.inside()
        began = time.monotonic()
        with pytest.raises(UploadBusy):
            await Holder(store.process(wait_seconds=0.6), upload_id, wanted).inside()
        assert 0.4 < time.monotonic() - began < 2.6
        assert holder.wanted == 1
        await holder.leave()

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 6, 8, 12, 16])
    async def test_a_request_cancelled_at_any_moment_keeps_nobody_out(
        self, store: Store, upload_id: UploadId, turns: int
    ) -> None:
        process = store.process()
        cancelled = Holder(process, upload_id, FIRST)
        for _ in range(turns):
            await asyncio.sleep(0.001)
        cancelled.task.cancel()
        await asyncio.wait({cancelled.task})
        for other, range_ in ((store.process(), FIRST), (process, BOTH), (process, None)):
            began = time.monotonic()
            holder = Holder(other, upload_id, range_)
            await holder.inside()
            await holder.leave()
            assert time.monotonic() - began < 1.5

    async def test_a_request_cancelled_while_it_waits_leaves_no_trace(self, store: Store, upload_id: UploadId) -> None:
        holder = Holder(store.process(), upload_id, FIRST, stubborn=True)
        await holder.inside()
        for range_ in (FIRST, None):
            waiter = Holder(store.process(), upload_id, range_)
            await asyncio.sleep(0.1)
            waiter.task.cancel()
            await asyncio.wait({waiter.task})
        await holder.leave()
        await asyncio.sleep(1.1)  # so long a place in the line is kept
        after = Holder(store.process(), upload_id, FIRST)
        await after.inside()
        await after.leave()

    async def test_closing_lets_ranges_go(self, store: Store, upload_id: UploadId) -> None:
        ours, theirs = store.process(), store.process()
        busy = Holder(ours, upload_id, FIRST)
        lease = await busy.inside()
        await ours.lock.close()
        began = time.monotonic()
        for range_ in (FIRST, None):
            async with theirs.lock.hold(upload_id, on_wanted=lambda: None, range_=range_):
                pass
        assert time.monotonic() - began < 1
        assert busy.wanted == 1
        await busy.task
        assert lease.token

    async def test_a_ranges_holder_records_its_bytes(self, store: Store) -> None:
        ours, theirs = store.process(), store.process()
        upload = await added(ours)
        async with (
            ours.lock.hold(upload.id, on_wanted=lambda: None, range_=FIRST) as first,
            theirs.lock.hold(upload.id, on_wanted=lambda: None, range_=SECOND) as second,
        ):
            await asyncio.gather(
                ours.ledger.record(a_receipt(upload, 0, 100), first),
                theirs.ledger.record(a_receipt(upload, 100, 200), second),
            )
        assert (await kept(ours, upload.id)).offset == 200

    async def test_who_has_left_a_range_records_nothing_more(self, process: Process) -> None:
        upload = await added(process)
        async with process.lock.hold(upload.id, on_wanted=lambda: None, range_=FIRST) as left:
            pass
        async with process.lock.hold(upload.id, on_wanted=lambda: None, range_=FIRST) as lease:
            with pytest.raises(UploadTakenOver):
                await process.ledger.record(a_receipt(upload, 0, 100), left)
            await process.ledger.record(a_receipt(upload, 0, 50), lease)
        assert (await kept(process, upload.id)).offset == 50

    async def test_a_lost_range_does_not_harm_those_beside_it(self, process: Process) -> None:
        upload, other = await added(process), await added(process)
        async with (
            process.lock.hold(upload.id, on_wanted=lambda: None, range_=FIRST) as range_lease,
            process.lock.hold(other.id, on_wanted=lambda: None) as whole,
        ):
            answers = await asyncio.gather(
                process.ledger.record(a_receipt(upload, 0, 10), range_lease),
                process.ledger.record(a_receipt(upload, 10, 20), Lease(upload.id, an_id(), range=FIRST)),
                process.ledger.record(a_receipt(other, 0, 10), whole),
                process.ledger.record(a_receipt(other, 10, 20), Lease(other.id, an_id())),
                return_exceptions=True,
            )
        assert [type(answer) for answer in answers] == [type(None), UploadTakenOver, type(None), UploadTakenOver]
