"""What the database adapter promises beside the ports: honest errors, durable settings, one writer at a time."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database, normalised
from adapters.outbound.sql.locks.leases import SqlLeases
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.repositories.installation import SqlInstallation
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.tables import installation, metadata, outbox
from adapters.outbound.system.clock import SystemClock
from domain.errors import RepositoryUnavailable, StorageFull
from domain.events import event_to_values
from domain.ids import UploadId
from tests.contract.suites.stores import added, kept
from tests.support.builders import NOW, RememberingNotifier, a_receipt, an_event, an_id, an_upload
from tests.support.stores import Store


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'files.db'}")
    await database.write(metadata.create_all)
    yield database
    await database.close()


async def test_an_event_of_another_version_is_left_for_a_day_and_holds_nothing_up(database: Database) -> None:
    notifier = RememberingNotifier()
    box = SqlOutbox(database, notifier)
    count = select(func.count()).select_from(outbox)
    known = json.dumps(event_to_values(an_event(an_upload())))
    strange = ['{"type": "upload.teleported"}', "not JSON", known.replace("upload.created", "upload.teleported")]
    rows = [{"event": text_, "created_at": NOW} for text_ in (*strange, known)]
    await database.write(lambda connection: connection.execute(insert(outbox), rows))
    assert await box.publish_left(older_than=NOW + timedelta(hours=1)) == 1
    assert len(notifier.events) == 1
    assert await database.read(lambda connection: connection.scalar(count)) == len(strange)
    assert await box.publish_left(older_than=NOW + timedelta(hours=25)) == 0
    assert await database.read(lambda connection: connection.scalar(count)) == 0


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///x.db", "sqlite"),
        ("sqlite+aiosqlite:///x.db", "sqlite"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
    ],
)
def test_a_url_gets_the_driver_we_use(url: str, driver: str) -> None:
    parsed = normalised(url)
    assert parsed.drivername == driver
    assert parsed.render_as_string(hide_password=False).partition("://")[2] == url.partition("://")[2]


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a database we know"):
        Database(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_sqlite_database_needs_a_file(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Database(url)


async def test_a_full_disk_is_told_apart_from_a_database_away(database: Database) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(text("PRAGMA max_page_count = 1"))  # SQLite makes it the present size
        connection.execute(insert(installation), {"key": "big", "value": "x" * 1_000_000})

    with pytest.raises(StorageFull):
        await database.write(fill)
    async with database.transaction() as transaction:
        with pytest.raises(StorageFull):
            await transaction.write(fill)


async def test_a_broken_rule_is_a_bug_and_stays_one(database: Database) -> None:
    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    async with database.transaction() as transaction:
        with pytest.raises(IntegrityError):
            await transaction.write(lambda connection: connection.execute(insert(installation), twice))
    async with database.transaction() as transaction:
        with pytest.raises(OperationalError, match="no such table"):
            await transaction.read(text("SELECT * FROM nowhere"))


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "files.db"
    path.write_bytes(b"not a database at all" * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(RepositoryUnavailable):
        await database.check()
    await database.close()


async def test_a_writer_of_another_program_is_waited_for(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "files.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(SqlInstallation(database).remember_storage("1"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    assert await SqlInstallation(database).storage_id() is None  # readers don't wait for writers
    other.execute("COMMIT")
    assert await waiting == "1"
    other.close()


async def test_the_first_storage_is_kept(database: Database) -> None:
    installed = SqlInstallation(database)
    assert await installed.storage_id() is None
    answers = await asyncio.gather(*(installed.remember_storage(str(n)) for n in range(8)))
    assert len(set(answers)) == 1
    assert await installed.storage_id() == answers[0]


async def test_a_failed_batch_is_told_to_all_but_those_who_left() -> None:
    async def fail(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0.01)
        if 1 in items:
            raise RepositoryUnavailable("away")
        return [item * 2 for item in items]

    batches = Batches[int, int](fail, limit=3)
    tasks = [batches.submit(n) for n in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers[:3]] == [
        asyncio.CancelledError,
        RepositoryUnavailable,
        RepositoryUnavailable,
    ]
    assert answers[3:] == [6, 8]
    assert await batches.submit(7) == 14
    await batches.close()


def test_a_process_knows_itself_alive_and_an_earlier_one_of_its_id_dead() -> None:
    me = ProcessIdentity.here()
    assert ProcessIdentity.parse(str(me)) == me
    assert me.knows_alive(me) and not me.knows_dead(me)
    if me.started:
        earlier = replace(me, started="1")
        assert me.knows_dead(earlier) and not me.knows_alive(earlier)


def test_nothing_is_known_of_a_process_elsewhere() -> None:
    me = ProcessIdentity.here()
    for other in (replace(me, host="elsewhere"), ProcessIdentity.parse(""), ProcessIdentity.parse("a|b|c|d"), None):
        assert not me.knows_alive(other) and not me.knows_dead(other)


def test_a_killed_process_is_dead_before_its_parent_has_looked() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = ProcessIdentity.here()
    other = replace(me, pid=process.pid, started="")
    assert me.knows_alive(other)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still a zombie
    if me.started:
        assert me.knows_dead(other)
    process.communicate()
    assert me.knows_dead(other)


async def test_a_lease_is_taken_over_only_as_it_was_seen(database: Database) -> None:
    leases = SqlLeases(database, SystemClock(), ProcessIdentity.here())
    upload_id = UploadId(an_id())
    first = await leases.claim(upload_id)
    assert first is not None and await leases.claim(upload_id) is None
    assert await leases.want(upload_id, by="me")
    assert await leases.take_over(upload_id, token=first.token, wanted_by="another") is None
    assert await leases.take_over(upload_id, token=an_id(), wanted_by="me") is None
    second = await leases.take_over(upload_id, token=first.token, wanted_by="me")
    assert second is not None and await leases.renew([first.token, second.token]) == {second.token}
    await leases.close()


async def test_a_transaction_that_was_left_carries_nothing_over(database: Database) -> None:
    """It is undone before its connection serves another one."""
    one = insert(installation).values(key="a", value="1")
    for _ in range(20):
        async with database.transaction() as transaction:
            await transaction.write(lambda connection: connection.execute(one))
    async with database.transaction() as transaction:
        assert await transaction.read(select(installation)) == []


async def test_the_ledgers_bytes_survive_without_a_close(tmp_path: Path) -> None:
    """What has been committed can be read by somebody else while we are still running."""
    store = Store(f"sqlite:///{tmp_path / 'files.db'}")
    await store.create()
    upload = await added(store.process(), an_upload())
    reader = sqlite3.connect(f"file:{tmp_path / 'files.db'}?mode=ro", uri=True)
    assert reader.execute("SELECT id FROM uploads").fetchall() == [(upload.id,)]
    reader.close()
    await store.close()


async def test_a_batch_of_plain_receipts_is_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further one would be a further sync, or a further wait for the interpreter's lock."""
    executed: list[str] = []
    connect = Database.connect_sqlite

    def traced(database: Database) -> sqlite3.Connection:
        connection = connect(database)
        connection.set_trace_callback(executed.append)
        return connection

    monkeypatch.setattr(Database, "connect_sqlite", traced)
    store = Store(f"sqlite:///{tmp_path / 'files.db'}")
    await store.create()
    process = store.process()
    uploads = [await added(process, an_upload(length=100)) for _ in range(3)]
    async with AsyncExitStack() as held:
        leases = [
            await held.enter_async_context(process.lock.hold(upload.id, on_wanted=lambda: None)) for upload in uploads
        ]
        together = zip(uploads, leases, strict=True)
        executed.clear()
        await asyncio.gather(*(process.ledger.record(a_receipt(upload, 0, 10), lease) for upload, lease in together))
    assert [statement.split()[:3] for statement in executed] == [["INSERT", "INTO", "received_ranges"]]
    assert [len((await kept(process, upload.id)).received) for upload in uploads] == [1, 1, 1]
    await store.close()
