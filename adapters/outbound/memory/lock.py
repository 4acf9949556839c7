"""Who may write an upload, within one process. Contract: tests/contract/test_upload_lock.py."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.leases import LeaseRequest, LeaseState
from domain.byte_range import ByteRange
from domain.errors import LongshoreError, Unavailable, UploadBusy
from domain.ids import UploadId
from ports.upload_lock import Lease, UploadLock


class MemoryUploadLock(UploadLock):
    """Several of these on one database behave as those of several processes do."""

    def __init__(self, database: MemoryDatabase, *, wait_seconds: float = 2.0) -> None:
        self._database = database
        self._wait_seconds = wait_seconds

    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None], range_: ByteRange | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        if range_ is not None:
            return self._hold_range(upload_id, on_wanted, range_)
        return self._hold(upload_id, on_wanted)

    async def close(self) -> None:
        for lease in self._database.leases.values():
            if lease.owner is self:
                lease.owner, lease.token = None, ""
                if lease.holder is not None:
                    lease.holder.ask()
            for sharer in lease.sharers:
                if sharer.owner is self:
                    sharer.token = ""
                    sharer.ask()

    @asynccontextmanager
    async def _hold(self, upload_id: UploadId, on_wanted: Callable[[], None]) -> AsyncGenerator[Lease, None]:
        lease = self._database.leases.setdefault(upload_id, LeaseState())
        request = LeaseRequest(self, on_wanted)
        await self._enter(lease, request)
        try:
            yield Lease(upload_id, lease.token, partial(lease.check, lease.token))
        except BaseException as error:
            if not isinstance(error, LongshoreError) or isinstance(error, Unavailable):
                lease.owner = None  # what was begun may still come: the next one gets a new token
            raise
        finally:
            lease.pass_on()

    @asynccontextmanager
    async def _hold_range(
        self, upload_id: UploadId, on_wanted: Callable[[], None], range_: ByteRange
    ) -> AsyncGenerator[Lease, None]:
        lease = self._database.leases.setdefault(upload_id, LeaseState())
        request = LeaseRequest(self, on_wanted, range_)
        await _queue_range(lease, request, range_, within=self._wait_seconds)
        lease.share(request)
        try:
            yield Lease(upload_id, request.token, partial(lease.check, request.token), range_, lease.generation)
        finally:
            lease.leave(request)

    async def _enter(self, lease: LeaseState, request: LeaseRequest) -> None:
        if lease.holder is None and not lease.sharers:
            lease.holder = request
        else:
            await _queue(lease, request, within=self._wait_seconds)
        if request.is_asked:
            lease.pass_on()
            raise UploadBusy("a newer request for this upload has come")
        if lease.owner is not self:
            lease.owner, lease.token, lease.generation = self, secrets.token_hex(16), ""


async def _queue(lease: LeaseState, request: LeaseRequest, *, within: float) -> None:
    if lease.waiter is not None:
        lease.waiter.outbid()
    lease.waiter = request
    for older in filter(None, (lease.holder, *lease.sharers)):
        older.ask()
    try:
        async with asyncio.timeout(within):
            await request.turn.wait()
    except TimeoutError:
        pass
    except BaseException:
        if lease.holder is request:
            lease.pass_on()
        raise
    finally:
        if lease.waiter is request:
            lease.waiter = None
            lease.wake_ranges()
    if request.is_outbid:
        raise UploadBusy("a newer request for this upload has come")
    if lease.holder is not request:
        raise UploadBusy("another request for this upload has not let go")


async def _queue_range(lease: LeaseState, request: LeaseRequest, wanted: ByteRange, *, within: float) -> None:
    """Return when nobody else has or awaits any of the bytes."""
    for older in lease.range_waiters:
        if older.meets(wanted):
            older.outbid()
    for older in lease.blocking(wanted):
        if older is not lease.waiter:
            older.ask()
    lease.range_waiters.append(request)
    try:
        async with asyncio.timeout(within):
            while lease.blocking(wanted) and not request.is_outbid:
                request.turn.clear()
                await request.turn.wait()
    except TimeoutError:
        raise UploadBusy("another request for this upload has not let go") from None
    finally:
        lease.range_waiters.remove(request)
    if request.is_outbid:
        raise UploadBusy("a newer request for these bytes has come")
