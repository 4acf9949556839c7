"""Memory adapters that do their work, until a test names a point where they are to fail or the process is to die."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from adapters.outbound.memory.chunk_intake import MemoryChunkIntake
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.ledger import MemoryReceivedLedger
from adapters.outbound.memory.lock import MemoryUploadLock
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.storage import MemoryBlobStorage, MemoryBytes, MemoryChunkStorage
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWork
from domain.byte_range import ByteRange, Extent
from domain.checksum import Hasher
from domain.errors import LongshoreError
from domain.events import Event, EventType
from domain.ids import BlobKey, UploadId
from domain.receipt import Receipt
from ports.blob_storage import Blob
from ports.byte_source import ByteSource
from ports.chunk_storage import Staged
from ports.clock import Clock
from ports.progress_notifier import ProgressNotifier
from ports.unit_of_work import UnitOfWork
from ports.upload_lock import Lease


class Died(BaseException):
    """The process is gone: nothing that it would still have done is done."""


class Point(StrEnum):
    """Between which two steps something goes wrong."""

    READ = "before a transaction"
    WRITE = "before a stretch is durable"
    WRITTEN = "after a stretch is durable"
    RECORD = "before a receipt is committed"
    RECORDED = "after a receipt is committed"
    JOIN = "before the parts are copied"
    SEAL = "before the bytes are sealed"
    SEALED = "after the bytes are sealed"
    SAVE = "before a change that nobody is told of is committed"
    COMPLETE = "before the completion is committed"
    FAIL = "before the failure is committed"
    ANNOUNCE = "after a commit, before its events are published"
    DISCARD = "before the bytes are discarded"
    DELETE = "before a blob is deleted"
    PUT = "before a blob is put"
    PUT_DONE = "after a blob is put"


_COMMITS = {EventType.COMPLETED: Point.COMPLETE, EventType.FAILED: Point.FAIL}


class Faults:
    """What goes wrong in one process, and where; after ``Died`` everything does."""

    def __init__(self) -> None:
        self._errors: dict[tuple[Point, UploadId | None], BaseException] = {}
        self._patience: dict[Point, int] = {}
        self._gates: dict[Point, asyncio.Event] = {}
        self._is_dead = False

    def put(self, point: Point, error: BaseException, *, after: int = 0, upload_id: UploadId | None = None) -> None:
        """Raise ``error`` whenever ``point`` is reached, ``after`` so many times that went well."""
        self._errors[point, upload_id] = error
        self._patience[point] = after

    def hold_up(self, point: Point) -> asyncio.Event:
        """Whoever reaches ``point`` waits there until the event is set. Only for receipts and seals."""
        return self._gates.setdefault(point, asyncio.Event())

    def heal(self) -> None:
        self._errors.clear()

    async def wait(self, point: Point) -> None:
        if gate := self._gates.get(point):
            await gate.wait()

    def reach(self, point: Point, upload_id: UploadId | None = None) -> None:
        if self._is_dead:
            raise Died
        error = self._errors.get((point, None)) or self._errors.get((point, upload_id))
        if error is None:
            return
        if self._patience[point]:
            self._patience[point] -= 1
            return
        self._is_dead = isinstance(error, Died)
        raise error


class FaultyLock(MemoryUploadLock):
    """Its leases are in doubt while there is one: the process may have slept through their end."""

    doubt: LongshoreError | None = None
    _on_lost: Callable[[], None] = staticmethod(lambda: None)

    def lose(self, doubt: LongshoreError) -> None:
        """Whoever holds a lease, the last to come if there are several, hears that it is lost."""
        self.doubt = doubt
        self._on_lost()

    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None], range_: ByteRange | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        self._on_lost = on_wanted
        return self._hold_doubtfully(super().hold(upload_id, on_wanted=on_wanted, range_=range_))

    @asynccontextmanager
    async def _hold_doubtfully(self, holding: AbstractAsyncContextManager[Lease]) -> AsyncGenerator[Lease, None]:
        async with holding as lease:
            yield replace(lease, check=self._check)

    def _check(self) -> None:
        if self.doubt is not None:
            raise self.doubt


class FaultyStorage(MemoryChunkStorage):
    """Knows, as a disk does, when the bytes of each upload were changed last: ``modified`` is all processes'."""

    def __init__(self, memory: MemoryBytes, clock: Clock, faults: Faults, modified: dict[UploadId, datetime]) -> None:
        super().__init__(memory, clock)
        self._faults = faults
        self._modified = modified

    async def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], None] = lambda: None,
        expects: int | None = None,
    ) -> AsyncGenerator[Extent, None]:
        self._faults.reach(Point.WRITE, upload_id)
        async for extent in super().write(
            upload_id, at=at, source=source, limit=limit, hasher=hasher, permit=permit, expects=expects
        ):
            yield extent

    def store(self, upload_id: UploadId, *, at: int, data: bytes, permit: Callable[[], None], least: int) -> None:
        super().store(upload_id, at=at, data=data, permit=permit, least=least)
        self._modified[upload_id] = self._clock.now()
        self._faults.reach(Point.WRITTEN, upload_id)

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        self._faults.reach(Point.JOIN, upload_id)
        await super().join(upload_id, parts)

    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        await self._faults.wait(Point.SEAL)
        self._faults.reach(Point.SEAL, upload_id)
        key = await super().seal(upload_id, size=size, fenced=fenced)
        self._faults.reach(Point.SEALED, upload_id)
        return key

    async def discard(self, upload_id: UploadId) -> None:
        self._faults.reach(Point.DISCARD, upload_id)
        await super().discard(upload_id)

    async def staged(self) -> AsyncGenerator[Staged, None]:
        for upload_id in list(self._memory.staged):
            yield Staged(upload_id, self._modified[upload_id])


class FaultyIntake(MemoryChunkIntake):
    def __init__(self, storage: FaultyStorage, ledger: "FaultyLedger", faults: Faults) -> None:
        super().__init__(storage, ledger)
        self._faults = faults

    async def take(self, receipt: Receipt, lease: Lease, *, at: int, data: bytes) -> None:
        self._faults.reach(Point.WRITE, receipt.upload_id)
        await super().take(receipt, lease, at=at, data=data)


class FaultyBlobStorage(MemoryBlobStorage):
    def __init__(self, memory: MemoryBytes, faults: Faults) -> None:
        super().__init__(memory)
        self._faults = faults

    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        self._faults.reach(Point.PUT)
        crc64 = await super().put(key, content)
        self._faults.reach(Point.PUT_DONE)
        return crc64

    async def delete(self, key: BlobKey) -> bool:
        self._faults.reach(Point.DELETE, UploadId(key))
        return await super().delete(key)


class FaultyLedger(MemoryReceivedLedger):
    def __init__(self, database: MemoryDatabase, faults: Faults) -> None:
        super().__init__(database)
        self._faults = faults

    async def record(self, receipt: Receipt, lease: Lease) -> None:
        self._faults.reach(Point.RECORD, receipt.upload_id)
        await super().record(receipt, lease)
        await asyncio.sleep(0)  # a commit lets others have their turn
        await self._faults.wait(Point.RECORDED)
        self._faults.reach(Point.RECORDED, receipt.upload_id)


class FaultyOutbox(MemoryOutbox):
    def __init__(self, database: MemoryDatabase, notifier: ProgressNotifier, faults: Faults) -> None:
        super().__init__(database, notifier)
        self._faults = faults

    def publish(self, events: Iterable[Event]) -> None:
        self._faults.reach(Point.ANNOUNCE)
        super().publish(events)


class FaultyUnitOfWork(MemoryUnitOfWork):
    def __init__(self, database: MemoryDatabase, outbox: MemoryOutbox, faults: Faults) -> None:
        super().__init__(database, outbox)
        self._faults = faults

    async def commit(self) -> None:
        announced = [event.type for event in self._announced]
        if not announced:
            self._faults.reach(Point.SAVE)
        for type_ in announced:
            if isinstance(type_, EventType) and type_ in _COMMITS:
                self._faults.reach(_COMMITS[type_])
        await super().commit()

    async def __aenter__(self) -> Self:
        self._faults.reach(Point.READ)
        return await super().__aenter__()


class FaultyUnitOfWorkFactory:
    def __init__(self, database: MemoryDatabase, outbox: MemoryOutbox, faults: Faults) -> None:
        self._database = database
        self._outbox = outbox
        self._faults = faults

    def __call__(self) -> UnitOfWork:
        return FaultyUnitOfWork(self._database, self._outbox, self._faults)
