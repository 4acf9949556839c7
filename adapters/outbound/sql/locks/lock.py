"""Who may write an upload, as leases in the database. Contract: tests/contract/test_upload_lock.py.

A lease that is left stays ours for a while (it is *warm*): the next request for the same upload in this
process costs no database at all. So each upload we hold has its local lease (local.py), and all we hold is
renewed together. Another process asks for a lease in its row (contest.py); we look there now and then. Leases of
byte ranges are apart, in ranges.py, and are given back at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.locks.bell import Bell
from adapters.outbound.sql.locks.contest import Contest
from adapters.outbound.sql.locks.hold import Hold
from adapters.outbound.sql.locks.leases import SqlLeases, Taken
from adapters.outbound.sql.locks.local import LocalLease, Occupant
from adapters.outbound.sql.locks.patience import PATIENCE, SAFE_SECONDS, Patience
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.locks.range_leases import RANGES, RangeLeases
from adapters.outbound.sql.locks.ranges import RangeHolders
from domain.byte_range import ByteRange
from domain.errors import Unavailable, UploadBusy
from domain.ids import UploadId
from ports.clock import Clock
from ports.upload_lock import Lease, UploadLock

_MAX_WARM = 1024

log = logging.getLogger(__name__)


class SqlUploadLock(UploadLock):
    """One a process is enough; ``close`` it so that no other process has to wait for what it held."""

    def __init__(
        self, database: Database, clock: Clock, patience: Patience = PATIENCE, bell: Bell | None = None
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._bell = bell or Bell()
        self._bell.on_heard = self._look_now
        self._me = ProcessIdentity.here()
        self._leases = SqlLeases(database, clock, self._me)
        self._ranges = RangeHolders(RangeLeases(database, clock, self._me), self._me, clock, patience)
        self._here: dict[UploadId, LocalLease] = {}
        self._held: dict[str, LocalLease] = {}  # those that have a lease, by its token
        self._warm: dict[UploadId, LocalLease] = {}  # those of them without an occupant, the longest so first
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looks_again = False
        self._renewed_at = self._swept_at = float("-inf")

    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None], range_: ByteRange | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        if range_ is not None:
            return self._hold_range(upload_id, on_wanted, range_)
        return Hold(partial(self._enter, upload_id, on_wanted), self._leave, self._clock.monotonic)

    async def close(self) -> None:
        tokens = list(self._held)
        for local in list(self._here.values()):
            if local.occupant is not None:
                local.occupant.ask()
            local.dismiss_waiter()
            self._lose(local)
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

    async def _enter(self, upload_id: UploadId, on_wanted: Callable[[], None]) -> LocalLease:
        occupant = Occupant(on_wanted)
        local = self._here.get(upload_id)
        if local is None:
            local = self._here[upload_id] = LocalLease(upload_id)
        if local.occupant is not None:
            await self._queue(local, occupant)
        local.occupant = occupant
        self._warm.pop(upload_id, None)
        try:
            await self._obtain(local, occupant)
        except BaseException:
            self._leave(local)
            raise
        occupant.is_inside = True
        return local

    @asynccontextmanager
    async def _hold_range(
        self, upload_id: UploadId, on_wanted: Callable[[], None], range_: ByteRange
    ) -> AsyncGenerator[Lease, None]:
        if (local := self._here.get(upload_id)) is not None:
            await self._make_room(local)
        holder = await self._ranges.enter(upload_id, range_, on_wanted)
        self._watch()
        try:
            yield holder.lease(self._clock.monotonic)
        finally:
            self._ranges.leave(holder)

    async def _make_room(self, local: LocalLease) -> None:
        """Give back what was kept of the whole upload; or ask whoever is in there, here, to let go."""
        if local.occupant is None and local.token is not None:
            token = local.token
            self._lose(local)
            await self._leases.release([token])
        elif local.occupant is not None and local.occupant.is_inside:
            local.occupant.ask()

    async def _queue(self, local: LocalLease, occupant: Occupant) -> None:
        """Return when it is the occupant's turn: the older one has been asked to leave, and has left."""
        local.dismiss_waiter()
        local.waiter = occupant
        if local.occupant is not None:
            local.occupant.ask()
        try:
            await asyncio.wait({occupant.turn}, timeout=self._patience.living)
        except asyncio.CancelledError:
            if local.occupant is occupant:
                self._leave(local)
            raise
        finally:
            if local.waiter is occupant:
                local.waiter = None
        if not occupant.turn.done():
            raise UploadBusy("another request for this upload has not let go")
        if not occupant.turn.result():
            raise UploadBusy("a newer request for this upload has come")

    def _leave(self, local: LocalLease, *, is_settled: bool = True) -> None:
        """``is_settled``: nothing that was begun under the lease may still be on its way to the database."""
        if local.admit_waiter():
            self._outbid(local)
            if not is_settled:
                self._lose(local)  # the next one gets a new token, so that what comes late is refused
        elif local.token is None:
            self._drop(local)
        elif local.wanted_by is not None or not is_settled:
            self._release(local)
        else:
            local.idle_since = self._clock.monotonic()
            self._warm[local.upload_id] = local
            if len(self._warm) > _MAX_WARM:
                self._release(next(iter(self._warm.values())))

    def _outbid(self, local: LocalLease) -> None:
        if local.token is not None and local.wanted_by is not None:
            self._spawn(self._leases.outbid(local.token, wanted_by=local.wanted_by))
            local.wanted_by = None

    # Getting a lease

    async def _obtain(self, local: LocalLease, occupant: Occupant) -> None:
        """Have it hold a lease that can be believed in."""
        if local.token is None or self._clock.monotonic() >= local.safe_until:
            self._lose(local)
            self._take(local, await self._claimed(local.upload_id, occupant))
        if occupant.wanted.is_set():
            raise UploadBusy("a newer request for this upload has come")

    def _take(self, local: LocalLease, taken: Taken) -> None:
        if not self._held:
            self._renewed_at = taken.since
        local.token, local.safe_until = taken.token, taken.since + SAFE_SECONDS
        self._held[taken.token] = local
        self._watch()

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._patience.watch, self._tick)

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
            contest = Contest(
                upload_id, self._leases, self._me, clock=self._clock, patience=self._patience, bell=self._bell
            )
            taken = await contest.win(occupant.wanted)
        return taken

    def _give_back(self, claiming: "asyncio.Task[Taken]") -> None:
        if not claiming.cancelled() and claiming.exception() is None:
            self._spawn(self._leases.release([claiming.result().token]))

    # Keeping what we hold

    def _tick(self) -> None:
        """The watch over our leases; it goes on even while one look waits for the database."""
        self._timer = None
        now = self._clock.monotonic()
        for local in list(self._held.values()):
            if now >= local.safe_until:
                local.lapsed = local.token
                self._lose(local)
        self._ranges.lose_overdue()
        if not self._held and not self._ranges:
            return
        if self._looking is None or self._looking.done():
            self._look()
        self._timer = asyncio.get_running_loop().call_later(self._patience.watch, self._tick)

    def _look(self) -> None:
        self._looking = self._start(self._look_after_all())
        self._tasks.add(self._looking)

    def _look_now(self) -> None:
        """Another process asks for something that it has just written down."""
        if self._timer is None:
            return  # we hold nothing
        if self._looking is None or self._looking.done():
            self._look()
        elif not self._looks_again:  # it may have looked before that
            self._looks_again = True
            self._looking.add_done_callback(self._look_again)

    def _look_again(self, _: object) -> None:
        self._looks_again = False
        self._look_now()

    async def _look_after_all(self) -> None:
        now = self._clock.monotonic()
        self._release(*(local for local in self._warm.values() if now - local.idle_since >= self._patience.warm))
        if self._held:
            if now - self._renewed_at >= self._patience.renew:
                await self._renew()
            await self._yield_to_others()
        await self._ranges.look_after_all()
        if now - self._swept_at >= self._patience.sweep:
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
        for token, local in held.items():
            if local.token != token:
                continue
            if token in standing:
                local.safe_until = now + SAFE_SECONDS
            else:
                self._lose(local)

    async def _yield_to_others(self) -> None:
        for token, wanted_by in await self._leases.wanted():
            local = self._held.get(token)
            if local is None or local.wanted_by == wanted_by:
                continue
            local.wanted_by = wanted_by
            if local.occupant is None:
                self._release(local)
                continue
            local.occupant.ask()
            if wanted_by != RANGES:
                local.dismiss_waiter()  # it was there before: the other one is newer

    # Letting go

    def _lose(self, local: LocalLease) -> None:
        """The lease is not ours any more: nobody here may believe in it."""
        if local.token is not None:
            self._held.pop(local.token, None)
        local.token = local.wanted_by = None
        if local.occupant is None:
            self._warm.pop(local.upload_id, None)
            self._drop(local)
        elif local.occupant.is_inside:
            local.occupant.ask()

    def _release(self, *empty: LocalLease) -> None:
        """Give back those without an occupant, soon."""
        tokens = [local.token for local in empty if local.token is not None]
        is_wanted = any(local.wanted_by is not None for local in empty)
        for local in empty:
            self._lose(local)
        if tokens:
            self._spawn(self._give_back_all(tokens, is_wanted=is_wanted))

    async def _give_back_all(self, tokens: list[str], *, is_wanted: bool) -> None:
        await self._leases.release(tokens)
        if is_wanted:
            self._bell.ring()

    def _drop(self, local: LocalLease) -> None:
        if self._here.get(local.upload_id) is local:
            del self._here[local.upload_id]

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
