"""What the suites of the ports to a database are given: its repositories, ledger, lock and outbox belong together."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import pytest
import pytest_asyncio

from domain.access import ANYBODY, Principal
from domain.ids import UploadId
from domain.upload import Upload
from ports.outbox import Outbox
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import UploadLock
from tests.support.builders import ShiftedClock, an_upload


@dataclass
class Process:
    """What one server process would hold of a database."""

    unit_of_work: UnitOfWorkFactory
    ledger: ReceivedLedger
    lock: UploadLock
    outbox: Outbox
    notifier: ProgressNotifier
    clock: ShiftedClock
    """The lock's."""

    async def close(self) -> None:
        """End in good order."""
        await self.lock.close()


class Store(Protocol):
    """One database, and the processes on it; whoever makes it closes them."""

    keeps_others_out: bool
    """Whether an open unit of work that has found a file to share keeps others from deleting it. In memory it does not:
    a commit is a step there that nothing can come between."""

    @abstractmethod
    def process(self, notifier: ProgressNotifier | None = None, *, wait_seconds: float = 2.0) -> Process:
        """One more; its outbox publishes to ``notifier`` (None: any), its lock waits so long for a living holder."""


StoreFactory = Callable[[], AbstractAsyncContextManager[Store]]
"""A database, fresh and empty for each test."""


class StoreSuite:
    """Wants a fixture ``factory``, a ``StoreFactory``."""

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def store(self, factory: StoreFactory) -> AsyncIterator[Store]:
        async with factory() as store:
            yield store

    @pytest.fixture
    def process(self, store: Store) -> Process:
        return store.process()


async def added(process: Process, upload: Upload | None = None) -> Upload:
    """``upload``, or any, committed."""
    upload = upload or an_upload()
    async with process.unit_of_work() as work:
        await work.uploads.add(upload)
        await work.commit()
    return upload


async def kept(process: Process, upload_id: UploadId, principal: Principal = ANYBODY) -> Upload:
    async with process.unit_of_work() as work:
        return await work.uploads.get(upload_id, principal)
