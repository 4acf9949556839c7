"""Who may write an upload, as leases in the database. Contract: tests/contract/test_upload_lock.py.

A lease that is left stays ours for a while (it is *warm*): the next request for the same upload in this process
costs no database at all. So each upload we hold has a slot here, with at most one occupant and at most one waiter;
the slot's token is the lease, renewed as long as we hold it. Other processes ask for it by ``wanted_by`` in its row.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.holder import Holder
from adapters.outbound.sql.leases import TTL, Found, SqlLeases
from domain.errors import LongshoreError, Unavailable, UploadBusy
from domain.ids import UploadId
from ports.clock import Clock
from ports.upload_lock import Lease, UploadLock

_WAIT_SECONDS = 2.0  # for a living holder to let go
_DEAD_WAIT_SECONDS = TTL.total_seconds() + 2.0  # for one that may be dead, until its lease has run out
_POLL_SECONDS = 0.05
_ROUND_SECONDS = 0.25  # how often a holder looks whether another process wants its leases
_RENEW_SECONDS = 3.0
_SWEEP_SECONDS = 600.0
_SAFE_SECONDS = TTL.total_seconds() - 2.0  # after that without a renewal we don't believe in a lease ourselves
_WARM_SECONDS = 15.0
_MAX_WARM = 1024

T = TypeVar("T")
log = logging.getLogger(__name__)


class _Occupant:
    """One request in, or on its way into, its block."""

    def __init__(self, on_wanted: Callable[[], None]) -> None:
        self._on_wanted = on_wanted
        self.is_inside = False
        self.wanted = asyncio.Event()
        self.turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Have it leave; who is not inside yet gives up."""
        if not self.wanted.is_set():
            self.wanted.set()
            if self.is_inside:
                asyncio.get_running_loop().call_soon(self._on_wanted)

    def tell(self, *, is_its_turn: bool) -> None:
        if not self.turn.done():
            self.turn.set_result(is_its_turn)


@dataclass(slots=True, eq=False)
class _Slot:
    upload_id: UploadId
    token: str | None = None
    safe_until: float = 0.0
    occupant: _Occupant | None = None
    waiter: _Occupant | None = None
    wanted_by: str | None = None
    idle_since: float = field(default=0.0)


class SqlUploadLock(UploadLock):
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._me = Holder.here()
        self._leases = SqlLeases(database, clock, self._me)
        self._slots: dict[UploadId, _Slot] = {}
        self._held: dict[str, _Slot] = {}  # by token
        self._warm: dict[UploadId, _Slot] = {}  # those without an occupant, the one longest so first
        self._requests = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None
        self._renewed_at = self._swept_at = float("-inf")

    def hold(self, upload_id: UploadId, *, on_wanted: Callable[[], None]) -> AbstractAsyncContextManager[Lease]:
        return _Hold(self, upload_id, on_wanted)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for slot in list(self._slots.values()):
            if slot.occupant is not None:
                slot.occupant.ask()
        tokens = list(self._held)
        self._held.clear()
        self._warm.clear()
        self._slots.clear()
        try:
            await self._leases.release(tokens)
        except Unavailable as error:
            log.warning("leases are left to run out: %s", error)
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._leases.close()

    # Entering and leaving

    async def _enter(self, upload_id: UploadId, occupant: _Occupant) -> _Slot:
        slot = self._slots.get(upload_id)
        if slot is None:
            slot = self._slots[upload_id] = _Slot(upload_id)
        if slot.occupant is not None:
            await self._queue(slot, occupant)
        slot.occupant = occupant
        self._warm.pop(upload_id, None)
        try:
            if slot.token is None or self._clock.monotonic() >= slot.safe_until:
                await self._obtain(slot, occupant)
            if occupant.wanted.is_set():
                raise UploadBusy("a newer request for this upload has come")
        except BaseException:
            self._leave(slot)
            raise
        occupant.is_inside = True
        return slot

    async def _queue(self, slot: _Slot, occupant: _Occupant) -> None:
        """Return when it is the occupant's turn: the older one has been asked to leave, and has left."""
        if slot.waiter is not None:
            slot.waiter.tell(is_its_turn=False)
        slot.waiter = occupant
        if slot.occupant is not None:
            slot.occupant.ask()
        try:
            await asyncio.wait({occupant.turn}, timeout=_WAIT_SECONDS)
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

    def _leave(self, slot: _Slot, *, is_settled: bool = True) -> None:
        """``is_settled``: nothing that was begun under the lease may still be on its way to the database."""
        slot.occupant = None
        if self._slots.get(slot.upload_id) is not slot:
            return  # closed meanwhile
        if slot.waiter is not None:
            slot.occupant, slot.waiter = slot.waiter, None
            slot.occupant.tell(is_its_turn=True)
            self._outbid(slot)
            if not is_settled:
                self._lose(slot)  # the next one gets a new token, so that what comes late is refused
        elif slot.token is None:
            del self._slots[slot.upload_id]
        elif slot.wanted_by is not None or not is_settled:
            self._release(slot)
        else:
            slot.idle_since = self._clock.monotonic()
            self._warm[slot.upload_id] = slot
            if len(self._warm) > _MAX_WARM:
                self._release(next(iter(self._warm.values())))

    def _outbid(self, slot: _Slot) -> None:
        if slot.token is not None and slot.wanted_by is not None:
            self._spawn(self._leases.outbid(slot.token, wanted_by=slot.wanted_by))
            slot.wanted_by = None

    # Getting a lease from the database

    async def _obtain(self, slot: _Slot, occupant: _Occupant) -> None:
        self._lose(slot)
        began = self._clock.monotonic()
        token = await self._finished(self._leases.claim(slot.upload_id))
        if token is None:
            began, token = await self._wrest(slot.upload_id, occupant)
        slot.token, slot.safe_until, slot.wanted_by = token, began + _SAFE_SECONDS, None
        if not self._held:
            self._renewed_at = began
        self._held[token] = slot
        self._keep()

    async def _wrest(self, upload_id: UploadId, occupant: _Occupant) -> tuple[float, str]:
        """Get the lease that someone else has: from a dead one at once, from a living one when it lets go."""
        me = f"{self._me.instance}:{next(self._requests)}"
        asked = False
        wait = _Patience(self._me, self._clock.monotonic())
        while True:
            began = self._clock.monotonic()
            if not asked:
                asked = await self._leases.want(upload_id, by=me)
                if not asked:
                    wait.check(None, began)
                    if token := await self._finished(self._leases.claim(upload_id)):
                        return began, token
                    continue
            found = await self._leases.find(upload_id)
            if found is None or found.wanted_by != me:
                raise UploadBusy("a newer request for this upload has come")
            if self._is_left(found):
                taking = self._leases.take_over(upload_id, token=found.token, wanted_by=me)
                if token := await self._finished(taking):
                    return began, token
                continue
            wait.check(found, began)
            if await _is_set(occupant.wanted, within=_POLL_SECONDS):
                raise UploadBusy("a newer request for this upload has come")

    def _is_left(self, found: Found) -> bool:
        # One of our own that no slot knows is what a cancelled request left.
        return found.is_over or found.holder == self._me or self._me.knows_dead(found.holder)

    async def _finished(self, obtaining: Coroutine[Any, Any, str | None]) -> str | None:
        """Its result, even if we are cancelled: then the lease it got is given back."""
        task = asyncio.get_running_loop().create_task(obtaining)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._give_back)
            raise

    def _give_back(self, task: "asyncio.Task[str | None]") -> None:
        if not task.cancelled() and task.exception() is None and (token := task.result()):
            self._spawn(self._leases.release([token]))

    # Keeping what we hold

    def _keep(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ROUND_SECONDS, self._tick)

    def _tick(self) -> None:
        """The watch over our leases; it runs on even while a round waits for the database."""
        self._timer = None
        now = self._clock.monotonic()
        for slot in list(self._held.values()):
            if now >= slot.safe_until:
                self._lose(slot)
        if not self._held:
            return
        if self._round is None or self._round.done():
            self._round = self._spawn(self._go_round())
        self._keep()

    async def _go_round(self) -> None:
        now = self._clock.monotonic()
        self._release(*(slot for slot in self._warm.values() if now - slot.idle_since >= _WARM_SECONDS))
        if now - self._renewed_at >= _RENEW_SECONDS:
            await self._renew()
        await self._yield_to_others()
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            await self._leases.sweep()

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        held = dict(self._held)
        standing = await self._leases.renew(list(held))
        self._renewed_at = now
        for token, slot in held.items():
            if slot.token != token:
                continue
            if token in standing:
                slot.safe_until = now + _SAFE_SECONDS
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
            if slot.waiter is not None:  # it was there before: the other one is newer
                slot.waiter.tell(is_its_turn=False)
                slot.waiter = None

    def _lose(self, slot: _Slot) -> None:
        """The lease is not ours any more: nobody here may believe in it."""
        if slot.token is None:
            return
        del self._held[slot.token]
        slot.token = slot.wanted_by = None
        if slot.occupant is None:
            self._warm.pop(slot.upload_id, None)
            self._slots.pop(slot.upload_id, None)
        elif slot.occupant.is_inside:
            slot.occupant.ask()

    def _release(self, *slots: _Slot) -> None:
        """Give the leases of slots without an occupant back, soon."""
        tokens = [slot.token for slot in slots if slot.token is not None]
        for slot in slots:
            self._lose(slot)
        if tokens:
            self._spawn(self._leases.release(tokens))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the database did not take what was to be done about leases: %s", error)


class _Hold(AbstractAsyncContextManager[Lease]):
    def __init__(self, lock: SqlUploadLock, upload_id: UploadId, on_wanted: Callable[[], None]) -> None:
        self._lock = lock
        self._upload_id = upload_id
        self._on_wanted = on_wanted
        self._slot: _Slot | None = None

    async def __aenter__(self) -> Lease:
        slot = self._slot = await self._lock._enter(self._upload_id, _Occupant(self._on_wanted))
        assert slot.token is not None
        return Lease(self._upload_id, slot.token)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._slot is not None:
            self._lock._leave(self._slot, is_settled=error is None or _is_settled(error))
            self._slot = None


class _Patience:
    """How long to wait for a holder: briefly if it lives, until its lease runs out if it may be dead."""

    def __init__(self, me: Holder, began: float) -> None:
        self._me = me
        self._began = began
        self._first: Found | None = None

    def check(self, found: Found | None, now: float) -> None:
        """Raise UploadBusy once the wait has been long enough."""
        self._first = self._first or found
        lives = (
            found is None
            or self._first is None
            or found.expires_at != self._first.expires_at  # somebody renews it
            or self._me.knows_alive(found.holder)
        )
        if now - self._began >= (_WAIT_SECONDS if lives else _DEAD_WAIT_SECONDS):
            raise UploadBusy("another request for this upload has not let go")


def _is_settled(error: BaseException) -> bool:
    return isinstance(error, LongshoreError) and not isinstance(error, Unavailable)


async def _is_set(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False
