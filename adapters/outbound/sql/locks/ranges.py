"""Who in this process holds which bytes of which upload, as leases in the database.

Rows alone decide who may enter, also between requests of this process; what is known here makes it prompt.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from adapters.outbound.sql.locks.contest import requests
from adapters.outbound.sql.locks.local import loss
from adapters.outbound.sql.locks.patience import SAFE_SECONDS, Patience
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.locks.range_leases import Blocked, RangeClaim, RangeLeases, TakenRange
from domain.byte_range import ByteRange
from domain.errors import Unavailable, UploadBusy
from domain.ids import UploadId
from ports.clock import Clock
from ports.upload_lock import Lease

log = logging.getLogger(__name__)


class RangeHolder:
    """One request that holds a range."""

    def __init__(
        self, upload_id: UploadId, range_: ByteRange, taken: TakenRange, on_wanted: Callable[[], None]
    ) -> None:
        self.upload_id = upload_id
        self.range = range_
        self.token = taken.token
        self.generation = taken.generation
        self.safe_until = taken.since + SAFE_SECONDS
        self._is_lost = self._has_lapsed = False
        self._on_wanted = on_wanted
        self._is_asked = False

    def ask(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            asyncio.get_running_loop().call_soon(self._on_wanted)

    def lose(self, *, has_lapsed: bool = False) -> None:
        self._is_lost, self._has_lapsed = True, has_lapsed
        self.ask()

    def lease(self, monotonic: Callable[[], float]) -> Lease:
        def check() -> None:
            if self._is_lost or monotonic() >= self.safe_until:
                raise loss(has_lapsed=self._has_lapsed or not self._is_lost)

        return Lease(self.upload_id, self.token, check, self.range, self.generation)


class RangeHolders:
    def __init__(self, leases: RangeLeases, me: ProcessIdentity, clock: Clock, patience: Patience) -> None:
        self._patience = patience
        self._leases = leases
        self._me = me
        self._clock = clock
        self._held: dict[str, RangeHolder] = {}
        self._leaving: dict[str, RangeHolder] = {}
        self._left: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewed_at = float("-inf")

    def __len__(self) -> int:
        return len(self._held)

    async def enter(self, upload_id: UploadId, range_: ByteRange, on_wanted: Callable[[], None]) -> RangeHolder:
        """Raises:
        UploadBusy: the older holder did not let go in time, or a newer request came.
        """
        await self.wait_for_leaving(upload_id, range_)
        taken = await self._win(upload_id, range_)
        if not self._held:
            self._renewed_at = taken.since
        holder = self._held[taken.token] = RangeHolder(upload_id, range_, taken, on_wanted)
        return holder

    def leave(self, holder: RangeHolder) -> None:
        """Give the lease back, soon."""
        self._held.pop(holder.token, None)
        releasing = asyncio.create_task(self._leases.release({holder.token: holder.generation}))
        self._leaving[holder.token], self._left[holder.token] = holder, releasing
        releasing.add_done_callback(lambda _: self._forget(holder.token))
        self._keep(releasing)

    async def wait_for_leaving(self, upload_id: UploadId, range_: ByteRange | None = None) -> None:
        """Return once what has been given back here is free."""
        leaving = [
            self._left[token]
            for token, holder in self._leaving.items()
            if holder.upload_id == upload_id and (range_ is None or holder.range.overlaps(range_))
        ]
        if leaving:
            await asyncio.wait(leaving)

    def ask(self, upload_id: UploadId) -> None:
        """Somebody here wants the whole upload."""
        for holder in self._held.values():
            if holder.upload_id == upload_id:
                holder.ask()

    async def close(self) -> None:
        held, self._held = self._held, {}
        for holder in held.values():
            holder.lose()
        try:
            await self._leases.release({token: holder.generation for token, holder in held.items()})
        except Unavailable as error:
            log.warning("leases are left to run out: %s", error)
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._leases.close()

    # Keeping what we hold

    def lose_overdue(self) -> None:
        now = self._clock.monotonic()
        for holder in [holder for holder in self._held.values() if now >= holder.safe_until]:
            self._lose(holder, has_lapsed=True)

    async def look_after_all(self) -> None:
        if not self._held:
            return
        if self._clock.monotonic() - self._renewed_at >= self._patience.renew:
            await self._renew()
        for token in await self._leases.wanted():
            if holder := self._held.get(token):
                holder.ask()

    async def sweep(self) -> None:
        await self._leases.sweep()

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        held = dict(self._held)
        standing = await self._leases.renew({token: holder.generation for token, holder in held.items()})
        self._renewed_at = now
        for token, holder in held.items():
            if token in standing:
                holder.safe_until = now + SAFE_SECONDS
            elif token in self._held:
                self._lose(holder)

    def _lose(self, holder: RangeHolder, *, has_lapsed: bool = False) -> None:
        self._held.pop(holder.token, None)
        holder.lose(has_lapsed=has_lapsed)

    def _forget(self, token: str) -> None:
        self._leaving.pop(token, None)
        self._left.pop(token, None)

    # Getting a lease

    async def _win(self, upload_id: UploadId, range_: ByteRange) -> TakenRange:
        name = f"{self._me.instance}:{next(requests)}"
        began, first = self._clock.monotonic(), True
        known: dict[str, datetime] = {}
        while True:
            answer = await self._claim(RangeClaim(upload_id, range_, secrets.token_hex(16), name, first))
            if isinstance(answer, TakenRange):
                return answer
            if answer.is_newer:
                raise UploadBusy("a newer request for these bytes has come")
            for token in answer.ends:
                if holder := self._held.get(token):
                    holder.ask()
            patience = self._patience.with_holder(lives=_lives(answer, known))
            if self._clock.monotonic() - began >= patience:
                raise UploadBusy("another request for this upload has not let go")
            known = {**answer.ends, **known}
            first = first and answer.by_whole
            await asyncio.sleep(self._patience.poll)

    async def _claim(self, claim: RangeClaim) -> TakenRange | Blocked:
        """If we are cancelled meanwhile, a lease is given back as soon as it is there."""
        claiming = asyncio.create_task(self._leases.claim(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._give_back)
            raise

    def _give_back(self, claiming: "asyncio.Task[TakenRange | Blocked]") -> None:
        if claiming.cancelled() or claiming.exception() is not None:
            return
        if isinstance(taken := claiming.result(), TakenRange):
            self._keep(asyncio.create_task(self._leases.release({taken.token: taken.generation})))

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("leases are left to run out: %s", error)


def _lives(answer: Blocked, known: Mapping[str, datetime]) -> bool:
    """Whether one of those in the way is surely alive: of this machine, or it has renewed its lease."""
    return answer.is_alive or any(end != known.get(token, end) for token, end in answer.ends.items())
