"""Contract of the lists of ports/file_repository.py, on every database; and what a page of them costs on a real one."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Select, text

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.files import page, places
from domain.file_list import FileOrder, FilePlace, FileSelection
from domain.ids import FileId, OwnerId
from tests.contract.suites.file_lists import FileListSuite
from tests.support.builders import ALICE, NOW
from tests.support.stores import Store

_MANY = 30_000
_ALICES = FileSelection(ALICE.owner)
# Where all files are one owner's, PostgreSQL may as well take the index of everybody's.
_INDEXES = {"created_at": "ix_files_listed", "name": "ix_files_listed_name", "size": "ix_files_listed_size"}
_SOMEWHERE: dict[str, datetime | str | int] = {"created_at": NOW, "name": "f5", "size": 7}
_FILL = {
    True: "INSERT INTO files (id, owner, name, folded_name, media_type, size, blob_key, created_at)"
    " WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {many})"
    " SELECT printf('%032x', n), '{owner}', 'f' || n, 'f' || n, 'text/plain', n % 1000, n,"
    " datetime('2026-01-01', n || ' seconds') || '.000000' FROM numbers",
    False: "INSERT INTO files (id, owner, name, folded_name, media_type, size, blob_key, created_at)"
    " SELECT lpad(to_hex(n), 32, '0'), '{owner}', 'f' || n, 'f' || n, 'text/plain', n % 1000, n,"
    " timestamptz '2026-01-01' + n * interval '1 second' FROM generate_series(1, {many}) AS n",
}


class TestFileLists(FileListSuite):
    """All of it."""


@pytest.fixture
async def database(shared_store: Store) -> Database:
    """With many files of Alice's."""
    database = shared_store.process().database
    assert database is not None
    fill = _FILL[database.is_sqlite].format(owner=ALICE.owner, many=_MANY)

    def prepare(connection: Connection) -> None:
        if not database.is_sqlite:
            # For this transaction no trigger counts them, which takes seconds; the database is lent to others later.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(fill))
        if not database.is_sqlite:
            connection.execute(text("ANALYZE files"))

    await database.write(prepare)
    return database


async def test_a_page_costs_the_same_however_many_files_there_are(database: Database) -> None:
    """Nothing is sorted, and nothing read but what an index leads to."""
    for order in FileOrder:
        place = FilePlace(_SOMEWHERE[order.value_name], FileId("0" * 32))
        index = _INDEXES[order.value_name]
        for after in (None, place):
            wanted = page(_ALICES, order, after, None, NOW, is_sqlite=database.is_sqlite)
            assert index in await _plan(database, wanted.limit(100)), order
            assert index in await _plan(database, places(_ALICES, order, after).offset(19_999).limit(1)), order
    everybodys = page(FileSelection(None), FileOrder.NEWEST, None, None, NOW, is_sqlite=database.is_sqlite)
    assert "ix_files_listed" in await _plan(database, everybodys.limit(100))


async def test_a_name_that_no_file_has_is_looked_for_in_stretches(shared_store: Store, database: Database) -> None:
    async with shared_store.process().unit_of_work() as work:
        selection = FileSelection(ALICE.owner, name="nothing")
        first = await work.files.list(selection, FileOrder.BY_NAME, after=None, now=NOW, limit=1)
        assert list(first.files) == []
        assert first.after is not None
        last = await work.files.list(selection, FileOrder.BY_NAME, after=first.after, now=NOW, limit=1)
        assert (list(last.files), last.after) == ([], None)
        whose = FileSelection(OwnerId("user:bob"), name="f")
        assert list((await work.files.list(whose, FileOrder.NEWEST, after=None, now=NOW, limit=1)).files) == []


async def _plan(database: Database, statement: Select[Any]) -> str:
    def explain(connection: Connection) -> str:
        asked = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
        words = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        if not database.is_sqlite:  # so few rows as here are quicker read as a whole
            connection.exec_driver_sql("SET enable_seqscan = off")
            connection.exec_driver_sql("SET enable_sort = off")
        rows = connection.exec_driver_sql(f"{words} {asked}").all()
        return "\n".join(str(value) for row in rows for value in row)

    plan = await database.read(explain)
    assert "SORT" not in plan.upper(), plan
    assert "TEMP B-TREE" not in plan.upper(), plan
    assert "SCAN FILES" not in plan.upper().replace("SCAN FILES USING", ""), plan
    assert "SEQ SCAN" not in plan.upper(), plan
    return plan
