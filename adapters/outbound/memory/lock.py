"""Who may write an upload, within one process. Contract: tests/contract/test_upload_lock.py."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from adapters.outbound.memory.database import MemoryDatabase
from domain.errors import UploadBusy
from domain.ids import UploadId
from ports.upload_lock import Lease, UploadLock

_WAIT_SECONDS = 2.0


@dataclass(eq=False)
class _Request:
    lock: "MemoryUploadLock"
    on_wanted: Callable[[], None]
    is_asked: bool = False
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    is_outbid: bool = False

    def ask(self) -> None:
        if not self.is_asked:
            self.is_asked = True
            asyncio.get_running_loop().call_soon(self.on_wanted)

    def outbid(self) -> None:
        self.is_outbid = True
        self.turn.set()


@dataclass(eq=False)
class _Place:
    holder: _Request | None = None
    waiter: _Request | None = None
    last: "MemoryUploadLock | None" = None


class MemoryUploadLock(UploadLock):
    """Several locks on one database behave as those of several processes do."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None]
    ) -> AbstractAsyncContextManager[Lease]:
        return self._hold(upload_id, _Request(self, on_wanted))

    async def close(self) -> None:
        for upload_id, place in list(_places(self._database).items()):
            if place.holder is not None and place.holder.lock is self:
                place.holder.ask()
                _pass_on(place)
            if place.last is self:
                self._database.tokens.pop(upload_id, None)
                place.last = None
