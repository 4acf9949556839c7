"""Migrations: what they build is what tables.py says, and any number of starting servers can run them."""

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, CreateTable, Inspector, insert, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.mapping import file_to_row
from adapters.outbound.sql.tables import files
from adapters.outbound.sql.usage_triggers import metadata
from domain.errors import RepositoryUnavailable
from domain.file_list import FileOrder, FileSelection
from domain.upload_policy import Usage
from domain.upload_state import UploadKind, UploadState
from infrastructure.migrate import alone, migrate, revisions
from tests.contract.suites.stores import added, kept
from tests.support.builders import ALICE, BOB, NOW, a_file, an_upload, extent, told
from tests.support.stores import Store

ROOT = Path(__file__).resolve().parents[3]
_OLD_COLUMNS = ("id", "owner", "name", "media_type", "size", "blob_key", "created_at")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{tmp_path / 'files.db'}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


async def test_the_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    await migrate(database)
    assert await database.read(_differences) == []
    migrated = await database.read(_constraints)
    triggers = await database.read(_triggers)
    assert triggers

    def build_anew(connection: Connection) -> None:
        metadata.drop_all(connection)
        metadata.create_all(connection)

    await database.write(build_anew)
    assert await database.read(_constraints) == migrated
    assert await database.read(_triggers) == triggers


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _constraints(connection: Connection) -> dict[str, object]:
    """What compare_metadata does not look at: checks, names, partial indexes."""
    inspector: Inspector = inspect(connection)
    return {
        table: (
            sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            inspector.get_pk_constraint(table),
            inspector.get_foreign_keys(table),
            sorted(map(str, inspector.get_unique_constraints(table))),
            sorted(_index(index) for index in inspector.get_indexes(table)),
        )
        for table in metadata.tables
    }


_TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": (
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname LIKE 'usage%' UNION ALL "
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'usage%' ORDER BY 1"
    ),
}


def _triggers(connection: Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(text(_TRIGGERS[connection.dialect.name]))]


def _index(index: ReflectedIndex) -> tuple[str, ...]:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str(index["name"]), str(index["column_names"]), str(index["unique"]), str(options)


async def test_migrating_again_changes_nothing(url: str, database: Database) -> None:
    await migrate(database)
    store = Store(url)
    process = store.process()
    upload = await added(process, an_upload(received=(extent(0, 10, 7),)))
    await migrate(database)
    assert told(await kept(process, upload.id)) == told(upload)
    await store.close()


async def test_complete_uploads_of_an_older_version_keep_one_range(url: str, database: Database) -> None:
    await migrate(database)
    store = Store(url)
    process = store.process()
    ranges = (extent(0, 10, 7), extent(20, 30, 8), extent(40, 60, 9))
    upload, unfinished = [await added(process, an_upload(received=ranges)) for _ in range(2)]
    async with process.unit_of_work() as work:
        await work.files.add(a_file(id=upload.id, size=60, crc64=(1 << 64) - 5))
        await work.commit()
    await alone(database, lambda connection: command.downgrade(_alembic_on(connection), "0002"))
    await migrate(database)
    assert list((await kept(process, upload.id)).received) == [extent(0, 60, (1 << 64) - 5)]
    assert told(await kept(process, unfinished.id)) == told(unfinished)
    await store.close()


async def test_what_owners_held_before_usage_was_counted_is_counted_once(url: str, database: Database) -> None:
    await alone(database, lambda connection: command.upgrade(_alembic_on(connection), "0007"))
    store = Store(url)
    process = store.process()
    for upload in (
        an_upload(owner=ALICE, length=100),
        an_upload(owner=ALICE, length=None, received=(extent(0, 7),)),
        an_upload(owner=ALICE, length=20, kind=UploadKind.PARTIAL),
        an_upload(owner=ALICE, length=3000, state=UploadState.COMPLETED),
        an_upload(owner=BOB, length=3000, state=UploadState.ABORTED),
    ):
        await added(process, upload)
    held = [file_to_row(a_file(owner=ALICE, size=size * 1000)) for size in (1, 2)]
    rows = [{name: row[name] for name in _OLD_COLUMNS} for row in held]
    await database.write(lambda connection: connection.execute(insert(files), rows))
    await migrate(database)
    async with process.unit_of_work() as work:
        assert await work.uploads.usage(ALICE.owner) == Usage(open_uploads=3, files=4, bytes=3127)
        assert await work.uploads.usage(BOB.owner) == Usage(0, 0, 0)
    await store.close()


async def test_what_an_older_version_stores_is_found_by_name_once_it_is_folded(url: str, database: Database) -> None:
    await migrate(database)
    store = Store(url)
    process = store.process()
    rows = [{**file_to_row(a_file(owner=ALICE, name=f"ÜBER {n}")), "folded_name": None} for n in range(3)]
    await database.write(lambda connection: connection.execute(insert(files), rows))
    selection = FileSelection(ALICE.owner, name="über")
    async with process.unit_of_work() as work:
        page = await work.files.list(selection, FileOrder.NEWEST, after=None, now=NOW, limit=9)
        assert list(page.files) == []
        assert [await work.files.fold_names(limit=2) for _ in range(3)] == [2, 1, 0]
        await work.commit()
    async with process.unit_of_work() as work:
        page = await work.files.list(selection, FileOrder.BY_NAME, after=None, now=NOW, limit=9)
    assert [file.name for file in page.files] == ["ÜBER 0", "ÜBER 1", "ÜBER 2"]
    await store.close()


async def test_what_an_older_version_reads_and_writes_is_still_there(database: Database) -> None:
    """During a rolling deploy servers of any version before work on the newest schema: migrations only add."""
    before = {}
    for older in revisions()[:-1]:
        await alone(database, partial(_upgrade_to, older))
        before[older] = await database.read(_columns)
    await migrate(database)
    after = await database.read(_columns)
    for older, tables in before.items():
        for table, columns in tables.items():
            assert columns.keys() <= after[table].keys(), (older, table)
            for name in after[table].keys() - columns.keys():
                assert not after[table][name], f"{older}: {table}.{name}: an insert of that version does not name it"


def _upgrade_to(revision: str, connection: Connection) -> None:
    command.upgrade(_alembic_on(connection), revision)


def _columns(connection: Connection) -> dict[str, dict[str, bool]]:
    """Of each table, each column, and whether an insert has to name it."""
    inspector: Inspector = inspect(connection)
    return {
        table: {
            column["name"]: not column["nullable"] and column["default"] is None
            for column in inspector.get_columns(table)
        }
        for table in inspector.get_table_names()
    }


async def test_a_schema_newer_than_we_know_is_left_alone_with_a_warning(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(database)
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer))
    with caplog.at_level(logging.WARNING):
        await migrate(database)
    assert "9999" in caplog.text
    now = text("SELECT version_num FROM alembic_version")
    assert await database.read(lambda connection: connection.scalar(now)) == "9999"


_MIGRATE = """
import asyncio, sys
from adapters.outbound.sql.database import Database
from infrastructure.migrate import migrate

async def main():
    database = Database(sys.argv[1])
    sys.stdin.readline()
    await migrate(database)
    await database.check()
    await database.close()

asyncio.run(main())
"""


async def test_two_servers_that_start_at_once_both_come_up(url: str, database: Database) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _MIGRATE,
            url,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    assert await database.read(_differences) == []


async def test_ten_tasks_migrate_one_empty_database(url: str) -> None:
    databases = [Database(url) for _ in range(10)]
    await asyncio.gather(*map(migrate, databases))
    assert await databases[0].read(_differences) == []
    for database in databases:
        await database.close()


async def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    """The last table is in the way: none of the others may be there afterwards."""
    in_the_way = text("CREATE TABLE installation (x INTEGER)")
    await database.write(lambda connection: connection.execute(in_the_way))
    with pytest.raises(Exception, match="installation"):
        await migrate(database)
    names = await database.read(lambda connection: inspect(connection).get_table_names())
    assert set(names) <= {"installation", "alembic_version"}


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'files.db'}")
    with pytest.raises(RepositoryUnavailable):
        await migrate(database)
    await database.close()


async def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'files.db'}")
    await migrate(database)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}

    def pragmas(connection: Connection) -> dict[str, object]:
        return {name: connection.scalar(text(f"PRAGMA {name}")) for name in wanted}

    assert await database.read(pragmas) == await database.write(pragmas) == wanted
    await database.close()


# As `python -m alembic -x url=… upgrade head` and so on do, whose start takes far longer than their work.
_ALEMBIC = """
import sys
from alembic.config import main

for words in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
    main(["-x", f"url={sys.argv[1]}", *words], prog="alembic")
"""


async def test_alembics_own_commands_work(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ALEMBIC,
        url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "No new upgrade operations detected" in output.decode()


def _alembic_on(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "infrastructure" / "migrations"))
    config.attributes["connection"] = connection
    return config


def test_every_table_has_names_for_its_constraints() -> None:
    for table in metadata.sorted_tables:
        unnamed = re.findall(r"\n\s*(CHECK|FOREIGN KEY|PRIMARY KEY|UNIQUE)", str(CreateTable(table)))
        assert not unnamed, table.name
