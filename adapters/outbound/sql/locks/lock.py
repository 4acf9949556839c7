"""Who may write an upload, as leases in the database. Contract: tests/contract/test_upload_lock.py.

A lease that is left stays ours for a while (it is *warm*): the next request for the same upload in this
process costs no database at all. So each upload we hold has a slot (lock_slot.py), and all we hold is renewed
together. Another process asks for a lease in its row (lock_contest.py); we look there now and then. Leases of
byte ranges are apart, in lock_ranges.py, and are given back at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.locks.contest import WAIT_SECONDS, Contest
from adapters.outbound.sql.locks.leases import SqlLeases, Taken
from adapters.outbound.sql.locks.local import Occupant, Slot
from adapters.outbound.sql.locks.process_identity import Holder
from adapters.outbound.sql.locks.range_leases import RANGES, RangeLeases
from adapters.outbound.sql.locks.ranges import RENEW_SECONDS, SAFE_SECONDS, RangeHolders
from domain.byte_range import ByteRange
from domain.errors import LongshoreError, Unavailable, UploadBusy
from domain.ids import UploadId
from ports.clock import Clock
from ports.upload_lock import Lease, UploadLock

_ROUND_SECONDS = 0.25  # how often we look whether another process wants our leases
_SWEEP_SECONDS = 600.0
_WARM_SECONDS = 15.0
_MAX_WARM = 1024

log = logging.getLogger(__name__)


class SqlUploadLock(UploadLock):
    """One a process is enough; ``close`` it so that no other process has to wait for what it held."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._me = Holder.here()
        self._leases = SqlLeases(database, clock, self._me)
        self._ranges = RangeHolders(RangeLeases(database, clock, self._me), self._me, clock)
        self._slots: dict[UploadId, Slot] = {}
        self._held: dict[str, Slot] = {}  # those that have a lease, by its token
        self._warm: dict[UploadId, Slot] = {}  # those of them without an occupant, the longest so first
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None
        self._renewed_at = self._swept_at = float("-inf")

    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None], range_: ByteRange | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        if range_ is not None:
            return self._hold_range(upload_id, on_wanted, range_)
        return _Hold(partial(self._enter, upload_id, on_wanted), self._leave, self._clock.monotonic)

    async def close(self) -> None:
        tokens = list(self._held)
        for slot in list(self._slots.values()):
            if slot.occupant is not None:
                slot.occupant.ask()
            slot.dismiss_waiter()
            self._lose(slot)
        try:
            await self._leases.release(tokens)
        except Unavailable as error:
            log.warning("leases are left to run out: %s", error)
        await self._ranges.close()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._leases.close()

    # Entering and leaving

    async def _enter(self, upload_id: UploadId, on_wanted: Callable[[], None]) -> Slot:
        occupant = Occupant(on_wanted)
        slot = self._slots.get(upload_id)
        if slot is None:
            slot = self._slots[upload_id] = Slot(upload_id)
        if slot.occupant is not None:
            await self._queue(slot, occupant)
        slot.occupant = occupant
        self._warm.pop(upload_id, None)
        try:
            await self._obtain(slot, occupant)
        except BaseException:
            self._leave(slot)
            raise
        occupant.is_inside = True
        return slot

    @asynccontextmanager
    async def _hold_range(
        self, upload_id: UploadId, on_wanted: Callable[[], None], range_: ByteRange
    ) -> AsyncGenerator[Lease, None]:
        if (slot := self._slots.get(upload_id)) is not None:
            await self._make_room(slot)
        holder = await self._ranges.enter(upload_id, range_, on_wanted)
        self._watch()
        try:
            yield holder.lease(self._clock.monotonic)
        finally:
            self._ranges.leave(holder)

    async def _make_room(self, slot: Slot) -> None:
        """Give back what was kept of the whole upload; or ask whoever is in there, here, to let go."""
        if slot.occupant is None and slot.token is not None:
            token = slot.token
            self._lose(slot)
            await self._leases.release([token])
        elif slot.occupant is not None and slot.occupant.is_inside:
            slot.occupant.ask()

    async def _queue(self, slot: Slot, occupant: Occupant) -> None:
        """Return when it is the occupant's turn: the older one has been asked to leave, and has left."""
        slot.dismiss_waiter()
        slot.waiter = occupant
        if slot.occupant is not None:
            slot.occupant.ask()
        try:
            await asyncio.wait({occupant.turn}, timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if slot.occupant is occupant:
                self._leave(slot)
            raise
        finally:
            if slot.waiter is occupant:
                slot.waiter = None
        if not occupant.turn.done():
            raise UploadBusy("another request for this upload has not let go")
        if not occupant.turn.result():
            raise UploadBusy("a newer request for this upload has come")

    def _leave(self, slot: Slot, *, is_settled: bool = True) -> None:
        """``is_settled``: nothing that was begun under the lease may still be on its way to the database."""
        if slot.admit_waiter():
            self._outbid(slot)
            if not is_settled:
                self._lose(slot)  # the next one gets a new token, so that what comes late is refused
        elif slot.token is None:
            self._drop(slot)
        elif slot.wanted_by is not None or not is_settled:
            self._release(slot)
        else:
            slot.idle_since = self._clock.monotonic()
            self._warm[slot.upload_id] = slot
            if len(self._warm) > _MAX_WARM:
                self._release(next(iter(self._warm.values())))

    def _outbid(self, slot: Slot) -> None:
        if slot.token is not None and slot.wanted_by is not None:
            self._spawn(self._leases.outbid(slot.token, wanted_by=slot.wanted_by))
            slot.wanted_by = None

    # Getting a lease

    async def _obtain(self, slot: Slot, occupant: Occupant) -> None:
        """Have the slot hold a lease that can be believed in."""
        if slot.token is None or self._clock.monotonic() >= slot.safe_until:
            self._lose(slot)
            self._take(slot, await self._claimed(slot.upload_id, occupant))
        if occupant.wanted.is_set():
            raise UploadBusy("a newer request for this upload has come")

    def _take(self, slot: Slot, taken: Taken) -> None:
        if not self._held:
            self._renewed_at = taken.since
        slot.token, slot.safe_until = taken.token, taken.since + SAFE_SECONDS
        self._held[taken.token] = slot
        self._watch()

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ROUND_SECONDS, self._tick)

    async def _claimed(self, upload_id: UploadId, occupant: Occupant) -> Taken:
        """A new lease. If we are cancelled meanwhile, it is given back as soon as it is there."""
        claiming = asyncio.get_running_loop().create_task(self._claim(upload_id, occupant))
        self._tasks.add(claiming)
        claiming.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            occupant.ask()
            claiming.add_done_callback(self._give_back)
            raise

    async def _claim(self, upload_id: UploadId, occupant: Occupant) -> Taken:
        await self._ranges.wait_for_leaving(upload_id)
        taken = await self._leases.claim(upload_id)
        if taken is None:
            self._ranges.ask(upload_id)
            taken = await Contest(upload_id, self._leases, self._me, self._clock).win(occupant.wanted)
        return taken

    def _give_back(self, claiming: "asyncio.Task[Taken]") -> None:
        if not claiming.cancelled() and claiming.exception() is None:
            self._spawn(self._leases.release([claiming.result().token]))

    # Keeping what we hold

    def _tick(self) -> None:
        """The watch over our leases; it goes on even while a round waits for the database."""
        self._timer = None
        now = self._clock.monotonic()
        for slot in list(self._held.values()):
            if now >= slot.safe_until:
                slot.lapsed = slot.token
                self._lose(slot)
        self._ranges.lose_overdue()
        if not self._held and not self._ranges:
            return
        if self._round is None or self._round.done():
            self._round = self._start(self._go_round())
            self._tasks.add(self._round)
        self._timer = asyncio.get_running_loop().call_later(_ROUND_SECONDS, self._tick)

    async def _go_round(self) -> None:
        now = self._clock.monotonic()
        self._release(*(slot for slot in self._warm.values() if now - slot.idle_since >= _WARM_SECONDS))
        if self._held:
            if now - self._renewed_at >= RENEW_SECONDS:
                await self._renew()
            await self._yield_to_others()
        await self._ranges.go_round()
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            self._spawn(self._sweep())  # beside: what we hold must not wait for it

    async def _sweep(self) -> None:
        await self._leases.sweep()
        await self._ranges.sweep()

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        held = dict(self._held)
        standing = await self._leases.renew(list(held))
        self._renewed_at = now
        for token, slot in held.items():
            if slot.token != token:
                continue
            if token in standing:
                slot.safe_until = now + SAFE_SECONDS
            else:
                self._lose(slot)

    async def _yield_to_others(self) -> None:
        for token, wanted_by in await self._leases.wanted():
            slot = self._held.get(token)
            if slot is None or slot.wanted_by == wanted_by:
                continue
            slot.wanted_by = wanted_by
            if slot.occupant is None:
                self._release(slot)
                continue
            slot.occupant.ask()
            if wanted_by != RANGES:
                slot.dismiss_waiter()  # it was there before: the other one is newer

    # Letting go

    def _lose(self, slot: Slot) -> None:
        """The lease is not ours any more: nobody here may believe in it."""
        if slot.token is not None:
            self._held.pop(slot.token, None)
        slot.token = slot.wanted_by = None
        if slot.occupant is None:
            self._warm.pop(slot.upload_id, None)
            self._drop(slot)
        elif slot.occupant.is_inside:
            slot.occupant.ask()

    def _release(self, *slots: Slot) -> None:
        """Give the leases of slots without an occupant back, soon."""
        tokens = [slot.token for slot in slots if slot.token is not None]
        for slot in slots:
            self._lose(slot)
        if tokens:
            self._spawn(self._leases.release(tokens))

    def _drop(self, slot: Slot) -> None:
        if self._slots.get(slot.upload_id) is slot:
            del self._slots[slot.upload_id]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work`` beside; what the database does not take now is mended by leases running out."""
        self._tasks.add(self._start(work))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the database did not take what was to be done about leases: %s", error)


class _Hold(AbstractAsyncContextManager[Lease]):
    def __init__(
        self, enter: Callable[[], Awaitable[Slot]], leave: Callable[..., None], monotonic: Callable[[], float]
    ) -> None:
        self._enter = enter
        self._leave = leave
        self._monotonic = monotonic
        self._slot: Slot | None = None

    async def __aenter__(self) -> Lease:
        self._slot = slot = await self._enter()
        token = slot.token or ""

        def check() -> None:
            if slot.token != token or self._monotonic() >= slot.safe_until:
                raise slot.loss_of(token)

        return Lease(slot.upload_id, token, check)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            self._leave(slot, is_settled=error is None or _is_settled(error))


def _is_settled(error: BaseException) -> bool:
    return isinstance(error, LongshoreError) and not isinstance(error, Unavailable)
