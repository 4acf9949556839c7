"""A process of its own that holds an upload's lease.

``python -m tests.support.processes.lease_process URL UPLOAD_ID [stubborn] [START-END]`` prints the token when it
holds the lease, ``wanted`` when it is asked to let go, ``left`` when it has. A stubborn one does not let go before it
reads a line; then it records bytes 0 to 10 and prints what came of it. With START and END it holds these bytes only.
"""

import asyncio
import sys

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from adapters.outbound.sql.locks.lock import SqlUploadLock
from adapters.outbound.system.clock import SystemClock
from domain.byte_range import ByteRange, Extent
from domain.errors import LongshoreError
from domain.ids import UploadId
from domain.receipt import Receipt
from ports.upload_lock import Lease
from tests.support.processes.process import ChildProcess, python_module


async def _hold(url: str, upload_id: UploadId, *, stubborn: bool, range_: ByteRange | None) -> None:
    database = Database(url)
    lock, ledger = SqlUploadLock(database, SystemClock()), SqlReceivedLedger(database)
    wanted = asyncio.Event()

    def ask() -> None:
        print("wanted", flush=True)
        wanted.set()

    async with lock.hold(upload_id, on_wanted=ask, range_=range_) as lease:
        print(lease.token, flush=True)
        if stubborn:
            await asyncio.to_thread(sys.stdin.readline)
            await _record(ledger, lease)
        else:
            await wanted.wait()
    print("left", flush=True)
    await asyncio.sleep(60)


async def _record(ledger: SqlReceivedLedger, lease: Lease) -> None:
    try:
        await ledger.record(Receipt(lease.upload_id, Extent(ByteRange(0, 10), None)), lease)
        print("recorded", flush=True)
    except LongshoreError as error:
        print(error.code, flush=True)


class LeaseProcess(ChildProcess):
    """That process, seen from the test. It holds the lease once its first line, the token, has been read."""

    def __init__(
        self, url: str, upload_id: UploadId, *, stubborn: bool = False, range_: ByteRange | None = None
    ) -> None:
        words = [url, str(upload_id)]
        words += ["stubborn"] if stubborn else []
        words += [f"{range_.start}-{range_.end}"] if range_ else []
        super().__init__(python_module(__name__, *words), speaks=True)

    async def line(self) -> str:
        async with asyncio.timeout(20):
            return await asyncio.to_thread(self.told)

    def go_on(self) -> None:
        self.say()


def _range(words: list[str]) -> ByteRange | None:
    for word in words:
        start, dash, end = word.partition("-")
        if dash:
            return ByteRange(int(start), int(end))
    return None


if __name__ == "__main__":
    options = sys.argv[3:]
    asyncio.run(_hold(sys.argv[1], UploadId(sys.argv[2]), stubborn="stubborn" in options, range_=_range(options)))
