"""A transaction on SQLite that is open while its owner does other things: alone, undone unless committed, and no longer
than others have patience for."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.sqlite.open_transaction import OpenTransaction
from domain.errors import RepositoryUnavailable, StorageFull
from tests.contract.suites.stores import added
from tests.support.builders import a_receipt, an_upload
from tests.support.stores import Store


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'files.db'}")
    await database.write(lambda connection: connection.execute(text("CREATE TABLE numbers (number INTEGER)")))
    yield database
    await database.close()


def an_open_one(database: Database, *, patience_seconds: float = 5) -> OpenTransaction:
    return OpenTransaction(database._writing, database.turns, patience_seconds=patience_seconds)


def insert(number: int, connection: Connection) -> None:
    connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})


def insert_1(connection: Connection) -> None:
    insert(1, connection)


def insert_2(connection: Connection) -> None:
    insert(2, connection)


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT number FROM numbers ORDER BY number")).scalars())


async def test_it_sees_its_own_changes_and_others_do_at_its_commit(database: Database) -> None:
    async with an_open_one(database) as transaction:
        await transaction.run_sync(insert_1)
        assert await transaction.run_sync(numbers) == [1]
        assert await database.read(numbers) == []
        await transaction.commit()
        assert await database.read(numbers) == [1]


async def test_others_write_when_it_is_over(database: Database) -> None:
    async with an_open_one(database) as transaction:
        await transaction.run_sync(insert_1)
        other = asyncio.create_task(database.write(insert_2))
        await asyncio.sleep(0.1)
        assert not other.done()
        await transaction.commit()
    await other
    assert await database.read(numbers) == [1, 2]


async def test_a_statement_that_fails_leaves_the_others(database: Database) -> None:
    def fail(_: Connection) -> None:
        raise ZeroDivisionError

    async with an_open_one(database) as transaction:
        await transaction.run_sync(insert_1)
        with pytest.raises(ZeroDivisionError):
            await transaction.run_sync(fail)
        await transaction.commit()
    assert await database.read(numbers) == [1]


async def test_one_whose_owner_is_slow_is_undone_and_told_and_the_next_one_writes(database: Database) -> None:
    async with an_open_one(database, patience_seconds=0.1) as transaction:
        await transaction.run_sync(insert_1)
        await database.write(insert_2)
        with pytest.raises(RepositoryUnavailable):
            await transaction.run_sync(insert_1)
        with pytest.raises(RepositoryUnavailable):
            await transaction.commit()
    assert await database.read(numbers) == [2]


async def test_an_owner_who_leaves_while_a_statement_runs_leaves_nothing(database: Database) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def be_long(connection: Connection) -> None:
        insert(1, connection)
        begun.set()
        goes_on.wait()

    async def leave() -> None:
        async with an_open_one(database) as transaction:
            await transaction.run_sync(be_long)
            await transaction.commit()

    leaving = asyncio.create_task(leave())
    assert await asyncio.to_thread(begun.wait, 2)
    leaving.cancel()
    await asyncio.wait({leaving})
    next_one = asyncio.create_task(database.write(insert_2))
    await asyncio.sleep(0.05)
    goes_on.set()
    await next_one
    assert await database.read(numbers) == [2]


async def test_an_owner_who_leaves_while_another_program_writes_holds_nobody_up(
    database: Database, tmp_path: Path
) -> None:
    async def wait_for_it() -> None:
        async with an_open_one(database) as transaction:
            await transaction.run_sync(insert_1)
            await transaction.commit()

    other = sqlite3.connect(tmp_path / "files.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    leaving = asyncio.create_task(wait_for_it())
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.wait({leaving})
    next_one = asyncio.create_task(database.write(insert_2))
    await asyncio.sleep(0.1)
    other.execute("ROLLBACK")
    other.close()
    await next_one
    assert await database.read(numbers) == [2]


async def test_what_sqlite_has_undone_by_itself_does_not_go_on_without_a_transaction(database: Database) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(text("PRAGMA max_page_count = 1"))  # SQLite makes it the present size
        connection.execute(text("INSERT OR ROLLBACK INTO numbers VALUES (zeroblob(1000000))"))

    async with database.transaction() as transaction:
        await transaction.write(insert_1)
        with pytest.raises(StorageFull):
            await transaction.write(fill)
        with pytest.raises(RepositoryUnavailable):
            await transaction.write(insert_2)
    assert await database.read(numbers) == []


async def test_what_was_put_off_is_done_before_what_is_asked_for_and_undone_with_it(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.change(insert_1)
        assert [row["number"] for row in await transaction.read(text("SELECT number FROM numbers"))] == [1]
        await transaction.change(insert_2)
    async with database.transaction() as transaction:
        await transaction.write(insert_1)
        await transaction.change(insert_2)
        await transaction.commit()
    assert await database.read(numbers) == [1, 2]


async def test_two_threads_serve_all_of_it(tmp_path: Path) -> None:
    """However many ask: what reads, and what writes, receipts and open transactions with it."""
    store = Store(f"sqlite:///{tmp_path / 'files.db'}")
    await store.create()
    before = set(threading.enumerate())
    process = store.process()
    assert process.database is not None
    uploads = [an_upload(length=100) for _ in range(20)]
    await asyncio.gather(*(added(process, upload) for upload in uploads))

    async def use(number: int) -> None:
        upload = uploads[number]
        async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
            await process.ledger.record(a_receipt(upload, 0, 10), lease)
        async with process.unit_of_work() as work:
            await work.uploads.settle_chunk_size(upload.id, 10)
            await work.commit()

    await asyncio.gather(*map(use, range(20)))
    await process.database.check()
    ours = set(threading.enumerate()) - before
    assert sorted(thread.name for thread in ours) == ["reads", "writes"]
    await store.close()
    assert not any(thread.is_alive() for thread in ours)
