"""Two versions on one database: a newer one has migrated it while this one serves, and this one serves on.

What a newer version may do to the schema is held by tests/adapters/sql/test_migrations.py: migrations only add. Here
one that adds, as the next will, comes over a running server.
"""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.outbound.sql.database import Database
from tests.chaos.rig.client import Fleet, ResumingUpload, ask, mixed_chunk_sizes
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import wrong_content
from tests.support.processes.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

_NEXT_VERSION = (
    "ALTER TABLE uploads ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'",
    "ALTER TABLE files ADD COLUMN colour TEXT",
    "ALTER TABLE received_ranges ADD COLUMN colour INTEGER DEFAULT 7",
    "CREATE TABLE colours (name TEXT PRIMARY KEY)",
    "CREATE INDEX ix_uploads_colour ON uploads (colour)",
    "UPDATE alembic_version SET version_num = '9999'",
)


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> ServerProcess:
    data = tmp_path / "data"
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{data / 'files.db'}"
    return ServerProcess(data, {**CHAOS, "DATABASE_URL": str(url)})


def test_a_newer_version_migrates_under_a_server_that_goes_on(server: ServerProcess) -> None:
    def next_upload(number: int) -> ResumingUpload:
        content = Content(number, 400_000)
        return ResumingUpload(server.url, content, chunk_sizes=mixed_chunk_sizes(number), pause=0.01)

    with server:
        fleet = Fleet(4, next_upload)
        fleet.start()
        fleet.wait(0.5)
        asyncio.run(_migrate(server.env["DATABASE_URL"]))
        fleet.wait(1)
        fleet.finish()
        assert fleet.errors == [] and fleet.broken_promises == [] and fleet.surprises == {}
        assert wrong_content(server.url, fleet.uploads) == []

        server.restart()
        assert "9999" in server.log()
        late = next_upload(9)
        late.run(within=30)
        assert wrong_content(server.url, [late]) == []
        assert ask(server.url, "DELETE", f"/files/{late.id}").status == 204


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.write(lambda connection: [connection.execute(text(statement)) for statement in _NEXT_VERSION])
    await database.close()
