"""The process that writes small chunks and records them, beside a server that writes to the same SQLite: both get on,
and what the process does not do is done without it."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection, text

from adapters.outbound.volume.chunk_intake import VolumeChunkIntake
from adapters.outbound.volume.writing.orders import SEATS
from adapters.outbound.volume.writing.writer import PATIENCE, Patience
from domain.checksum import crc64nvme
from domain.errors import StorageUnavailable
from domain.receipt import Receipt
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease
from tests.contract.suites.stores import kept
from tests.support.intakes import Intake, intakes_of

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the writer is Linux's alone")

BODY = random.Random(0).randbytes(100_000)


class Counting(ReceivedLedger):
    """The server's own ledger, and how often it was needed."""

    def __init__(self, ledger: ReceivedLedger) -> None:
        self._ledger = ledger
        self.count = 0

    async def record(self, receipt: Receipt, lease: Lease) -> None:
        self.count += 1
        await self._ledger.record(receipt, lease)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "files.db"


@pytest.fixture
async def intake(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Intake]:
    patience = getattr(request, "param", PATIENCE)
    async for one in intakes_of("volume", tmp_path, f"sqlite+aiosqlite:///{path}", patience=patience):
        await one.warm_up()
        yield one


@pytest.fixture
def ledger(intake: Intake) -> Counting:
    assert isinstance(intake.adapter, VolumeChunkIntake)
    intake.adapter._ledger = ledger = Counting(intake.adapter._ledger)
    return ledger


def patient(**seconds: float) -> pytest.MarkDecorator:
    """With less patience than a server's."""
    ids = [",".join(f"{name}={value:g}" for name, value in seconds.items())]
    return pytest.mark.parametrize("intake", [Patience(**seconds)], indirect=True, ids=ids)


def beside(intake: Intake) -> psutil.Process:
    assert intake.writer is not None
    assert intake.writer._process is not None
    return psutil.Process(intake.writer._process._process.pid)


async def becomes(is_so: Callable[[], bool], *, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while not is_so() and time.monotonic() < until:  # noqa: ASYNC110 -- nobody tells
        await asyncio.sleep(0.001)
    return is_so()


async def send_many(intake: Intake, count: int = 12, *, body: bytes = BODY) -> None:
    """Bodies side by side; they arrive whole."""
    uploads = [await intake.upload() for _ in range(count)]
    await asyncio.gather(*(intake.send(upload, body, size=10_000) for upload in uploads))
    for upload in uploads:
        seen = await kept(intake.process, upload.id)
        assert (seen.offset, seen.received.crc64()) == (len(body), crc64nvme(body))
        assert await intake.storages.sealed(upload.id, len(body)) == body


async def test_it_records_by_itself(intake: Intake, ledger: Counting) -> None:
    await send_many(intake)
    assert ledger.count == 0


@patient(rest=0.0)
async def test_killed_again_and_again_it_loses_nothing(intake: Intake, ledger: Counting) -> None:
    writer = intake.writer
    assert writer is not None
    sending = asyncio.create_task(send_many(intake, 30))
    for _ in range(3):
        process = beside(intake)
        process.kill()
        assert await becomes(lambda: not process.is_running())  # noqa: B023 -- asked in this very turn
        assert await becomes(lambda: writer.is_ready)
        await asyncio.sleep(0.03)
    await sending
    assert ledger.count > 0


@patient(answer=0.2)
async def test_one_that_hangs_is_done_without(intake: Intake, ledger: Counting) -> None:
    beside(intake).suspend()
    await send_many(intake)
    assert ledger.count >= 12


async def test_where_another_program_has_the_database_the_server_waits_for_it(
    intake: Intake, ledger: Counting, path: Path
) -> None:
    """Longer than the process does."""
    other = sqlite3.connect(path, isolation_level=None)
    one = await intake.upload()
    async with intake.process.lock.hold(one.id, on_wanted=lambda: None) as lease:
        other.execute("BEGIN IMMEDIATE")
        taking = asyncio.create_task(intake.take(one, lease, b"abc"))
        assert await becomes(lambda: ledger.count > 0)
        other.execute("ROLLBACK")
        other.close()
        await taking
    assert (await kept(intake.process, one.id)).offset == 3


@pytest.mark.parametrize("count", [12, 2 * SEATS], ids=["few", "more than it has room for"])
async def test_the_servers_own_changes_get_their_turn(intake: Intake, ledger: Counting, count: int) -> None:
    assert intake.process.database is not None
    database = intake.process.database
    done = 0

    def change(connection: Connection) -> None:
        connection.execute(text("UPDATE uploads SET watch_id = watch_id"))

    async def go_on_changing() -> None:
        nonlocal done
        while True:
            await database.write(change)
            done += 1

    changing = asyncio.create_task(go_on_changing())
    try:
        await send_many(intake, count, body=BODY if count == 12 else BODY[:30_000])
    finally:
        changing.cancel()
    assert done > 20
    assert ledger.count == 0


async def test_whoever_leaves_without_an_order_leaves_the_seat_to_the_next(intake: Intake) -> None:
    """At first those who had a seat, then those who got theirs."""
    assert intake.process.database is not None
    turns = intake.process.database.turns
    uploads = [await intake.upload() for _ in range(3 * SEATS)]
    async with AsyncExitStack() as stack:
        holds = [intake.process.lock.hold(upload.id, on_wanted=lambda: None) for upload in uploads]
        leases = [await stack.enter_async_context(hold) for hold in holds]
        await turns.take(urgent=False)
        takings = [asyncio.create_task(intake.take(*pair, b"abc")) for pair in zip(uploads, leases, strict=True)]
        for leaving in (takings[:SEATS], takings[SEATS : 2 * SEATS - 1]):
            await asyncio.sleep(0.05)
            for taking in leaving:
                taking.cancel()
        await asyncio.sleep(0.05)
        turns.pass_on()
        outcomes = await asyncio.wait_for(asyncio.gather(*takings, return_exceptions=True), 10)
    assert outcomes[2 * SEATS - 1 :] == [None] * (SEATS + 1)


@patient(seat=0.1)
async def test_where_no_seat_comes_storage_is_busy(intake: Intake) -> None:
    assert intake.process.database is not None
    turns = intake.process.database.turns
    uploads = [await intake.upload() for _ in range(SEATS + 1)]
    async with AsyncExitStack() as stack:
        holds = [intake.process.lock.hold(upload.id, on_wanted=lambda: None) for upload in uploads]
        leases = [await stack.enter_async_context(hold) for hold in holds]
        await turns.take(urgent=False)
        takings = [asyncio.create_task(intake.take(*pair, b"abc")) for pair in zip(uploads, leases, strict=True)]
        with pytest.raises(StorageUnavailable):
            await takings[-1]
        turns.pass_on()
        assert await asyncio.gather(*takings[:-1]) == [None] * SEATS
