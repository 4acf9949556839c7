"""SQLite for many at once: one commit for those who wait, and the faults of one are no other's."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.locks.leases import SqlLeases
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.sqlite.connection import BUSY_SECONDS
from adapters.outbound.system.clock import SystemClock
from domain.errors import RepositoryUnavailable, StorageFull
from domain.ids import UploadId
from tests.contract.suites.stores import added
from tests.support.builders import an_id, an_upload
from tests.support.stores import Store


class Bench(Database):
    """A database that remembers the statements of what is written together, and has one table of numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        self.pages: int | None = None
        self.busy_seconds = BUSY_SECONDS
        super().__init__(f"sqlite:///{path}")

    def connect_sqlite(self, *, foreign_keys: bool = True, busy_seconds: float | None = None) -> sqlite3.Connection:
        connection = super().connect_sqlite(
            foreign_keys=foreign_keys, busy_seconds=self.busy_seconds if busy_seconds is None else busy_seconds
        )
        connection.set_trace_callback(self.statements.append)
        if self.pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection

    async def insert(self, number: int, *, urgent: bool = False) -> None:
        def insert(connection: Connection) -> None:
            connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})

        await self.write(insert, urgent=urgent)

    async def numbers(self) -> list[int]:
        return await self.read(lambda connection: list(connection.execute(text(_NUMBERS)).scalars()))


_NUMBERS = "SELECT number FROM numbers ORDER BY number"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "files.db")
    connection = sqlite3.connect(bench.path)
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    connection.close()
    yield bench
    await bench.close()


async def test_those_who_wait_share_one_commit(bench: Bench) -> None:
    await asyncio.gather(*map(bench.insert, range(60)))
    assert await bench.numbers() == list(range(60))
    assert bench.statements.count("COMMIT") == 1


async def test_work_that_fails_is_undone_alone(bench: Bench) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO numbers VALUES (1000)"))
        raise ZeroDivisionError

    one, failed, other = await asyncio.gather(
        bench.insert(1), bench.write(fail), bench.insert(2), return_exceptions=True
    )
    assert (one, other) == (None, None)
    assert isinstance(failed, ZeroDivisionError)
    assert await bench.numbers() == [1, 2]
    assert bench.statements.count("COMMIT") == 1


async def test_a_full_disk_is_told_and_only_to_whom_it_concerns(bench: Bench) -> None:
    bench.pages = 20

    def fill(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE large AS SELECT zeroblob(1000000) AS zeros"))

    small, full = await asyncio.gather(bench.insert(1), bench.write(fill), return_exceptions=True)
    assert isinstance(full, StorageFull)
    assert small is None or isinstance(small, StorageFull)
    await bench.insert(2)
    assert await bench.numbers() == ([1, 2] if small is None else [2])


async def test_a_fault_of_all_is_told_to_all_and_does_not_last(bench: Bench) -> None:
    bench.busy_seconds = 0.2
    await bench.insert(0)
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(*map(bench.insert, range(1, 4)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RepositoryUnavailable] * 3
    other.execute("ROLLBACK")
    other.close()
    await bench.insert(4)
    assert await bench.numbers() == [0, 4]


async def test_who_has_waited_too_long_is_told_and_it_is_not_done_later(bench: Bench) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def hold_up(_: Connection) -> None:
        begun.set()
        goes_on.wait()

    holding = asyncio.create_task(bench.write(hold_up))
    assert await asyncio.to_thread(begun.wait, 2)
    bench._write_trips._patience_seconds = 0.1
    with pytest.raises(RepositoryUnavailable):
        await bench.insert(1)
    bench._write_trips._patience_seconds = 5
    cancelled = asyncio.create_task(bench.insert(2))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    goes_on.set()
    await holding
    await bench.insert(3)
    assert await bench.numbers() == [3]


async def test_a_long_trip_is_broken_off_for_those_who_are_in_a_hurry(bench: Bench) -> None:
    done: list[str] = []

    def work(connection: Connection) -> None:
        done.append("slow")
        threading.Event().wait(0.1)

    async def be_urgent() -> None:
        await bench.insert(1, urgent=True)
        done.append("urgent")

    slow = [asyncio.create_task(bench.write(work)) for _ in range(6)]
    await asyncio.sleep(0.05)
    await be_urgent()
    await asyncio.gather(*slow)
    assert done.index("urgent") <= 4
    assert done.count("slow") == 6


async def test_reads_see_what_was_committed_just_before(bench: Bench) -> None:
    for number in range(10):
        await bench.insert(number)
        assert len(await bench.numbers()) == number + 1


async def test_a_read_that_fails_harms_none_beside_it(bench: Bench) -> None:
    await bench.insert(1)

    def fail(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM nowhere"))

    answers = await asyncio.gather(bench.numbers(), bench.read(fail), bench.numbers(), return_exceptions=True)
    assert [type(answer) for answer in answers] == [list, OperationalError, list]


async def test_leases_are_renewed_while_a_crowd_of_units_of_work_waits(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'files.db'}")
    await store.create()
    process = store.process()
    assert process.database is not None
    leases = SqlLeases(process.database, SystemClock(), ProcessIdentity.here())
    taken = await leases.claim(UploadId(an_id()))
    assert taken is not None
    crowd = [asyncio.create_task(added(process, an_upload())) for _ in range(1000)]
    await asyncio.sleep(0)
    assert await leases.renew([taken.token]) == {taken.token}
    assert sum(task.done() for task in crowd) < 500
    await asyncio.gather(*crowd)
    await leases.close()
    await store.close()
