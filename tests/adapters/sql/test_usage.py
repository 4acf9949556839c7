"""A creation costs the same for everybody: SQLite's own steps are counted, not seconds."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.sql.usage_triggers import metadata
from application.upload.records import UploadRecords
from domain.access import Principal
from domain.file_draft import FileDraft
from domain.upload_policy import UploadPolicy
from ports.id_generator import IdGenerator
from tests.support.builders import ALICE, BOB, RememberingNotifier, ShiftedClock, an_id

pytestmark = pytest.mark.timeout(30)

_MANY_FILES = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
INSERT INTO files (id, owner, name, media_type, size, blob_key, created_at)
SELECT printf('%032x', n), ?, 'a.jpg', 'image/jpeg', n, printf('%032x', n), '2026-11-30 10:00:00.000000' FROM number
"""


class Ids(IdGenerator):
    def new(self) -> str:
        return an_id()

    secret = new


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'files.db'}", durable=False)
    await database.write(metadata.create_all)
    yield database
    await database.close()


@pytest.mark.parametrize("max_bytes", [None, 10**15])
async def test_a_creation_takes_as_many_steps_for_an_owner_of_many_files_as_for_one_of_few(
    database: Database, max_bytes: int | None
) -> None:
    outbox = SqlOutbox(database, RememberingNotifier())
    records = UploadRecords(
        unit_of_work=SqlUnitOfWorkFactory(database, outbox),
        clock=ShiftedClock(),
        ids=Ids(),
        policy=UploadPolicy(max_bytes=max_bytes),
    )

    async def steps(principal: Principal) -> int:
        taken = count()
        await database.write_by_driver(lambda driver: driver.set_progress_handler(lambda: next(taken) and 0, 1))
        await records.begin(records.new(principal, FileDraft.of(filename="a.jpg"), length=1000))
        await database.write_by_driver(lambda driver: driver.set_progress_handler(None, 1))
        return next(taken)

    await database.write_by_driver(lambda driver: driver.execute(_MANY_FILES, (ALICE.owner,)))
    for principal in (ALICE, BOB):
        for _ in range(20):
            await records.begin(records.new(principal, FileDraft.of(filename="a.jpg"), length=1000))
    of_many, of_few = await steps(ALICE), await steps(BOB)
    assert 0 < of_many < 1000
    assert abs(of_many - of_few) < 20  # ids are random, so are the places of their rows
    await outbox.close()
