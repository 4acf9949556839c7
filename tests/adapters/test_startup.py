"""Starting: the schema is brought up to date in a process of its own, and a restart loads no more than it needs."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from infrastructure.migrate import revisions
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess, lay_out_database, run_verb

# Each import is told on standard error, in the process that makes it; children inherit the wish.
_TELL_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
_IMPORT = re.compile(r"^import time:.*\| +(\S+)$", re.MULTILINE)
_LOADS_NO_MODULE = {"alembic", "mako", "limits", "PIL", "pillow_heif"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One that has not been started, and finds nothing."""
    process = ServerProcess(tmp_path / "data", log_path=tmp_path / "server.log", migrates=True)
    yield process
    process.kill()


@pytest.fixture
def migrated(server: ServerProcess) -> ServerProcess:
    """It finds a database as ``migrate`` leaves it."""
    server.data_dir.mkdir()
    lay_out_database(server.data_dir / "files.db")
    return server


def loaded(server: ServerProcess) -> set[str]:
    """The modules that its next start loads."""
    server.log_path.unlink(missing_ok=True)
    server.env |= _TELL_IMPORTS
    server.start()
    modules = set(_IMPORT.findall(server.log()))
    assert "infrastructure.server" in modules, "nothing was told"
    assert server.terminate() == 0
    return modules


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def in_the_way(database: Path) -> None:
    """A table of a name that the first migration wants."""
    database.parent.mkdir()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE installation (x INTEGER)")


def tables(database: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def migration_of(server_id: int) -> Path:
    """The folder in /proc of the process that migrates for the server, once it runs."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for child in Path(f"/proc/{server_id}/task/{server_id}/children").read_text().split():
            if b"\0migrate\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                return Path(f"/proc/{child}")
        time.sleep(0.02)
    raise AssertionError("nothing migrates")


def newest(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_the_first_start_migrates_and_loads_what_that_takes(server: ServerProcess) -> None:
    """Else the tests below could not fail: alembic is seen where it is loaded."""
    assert "alembic" in packages(loaded(server))
    assert newest(server.data_dir / "files.db") == revisions()[-1]
    assert {"uploads", "files"} <= tables(server.data_dir / "files.db")


def test_a_restart_loads_nothing_it_does_not_use(migrated: ServerProcess) -> None:
    modules = loaded(migrated)
    optional = {"asyncpg", "aiobotocore", "botocore", "aiohttp", "opentelemetry"}
    assert packages(modules) & (_LOADS_NO_MODULE | optional) == set()
    assert {module for module in modules if module.startswith("adapters.outbound.pg_notify")} == set()
    assert {module for module in modules if module.startswith(("sqlalchemy.orm", "sqlalchemy.ext.asyncio"))} == set()


def test_a_restart_on_postgresql_loads_asyncpg_and_no_migrations(
    server: ServerProcess, server_postgres_url: str
) -> None:
    server.env |= {"DATABASE_URL": server_postgres_url, "EVENTS_URL": "postgres://"}
    modules = loaded(server)
    assert packages(modules) & _LOADS_NO_MODULE == set()
    assert {"asyncpg", "adapters.outbound.pg_notify.feed"} <= modules


def test_servers_that_start_at_once_on_an_empty_folder_all_come_up(tmp_path: Path) -> None:
    servers = [
        ServerProcess(tmp_path / "data", log_path=tmp_path / f"{number}.log", migrates=True) for number in range(3)
    ]
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start(wait=False)
        for server in servers:
            server.wait_until_healthy()
    assert newest(tmp_path / "data" / "files.db") == revisions()[-1]


@pytest.mark.parametrize("verb", ["serve", "migrate", "cleanup"])
def test_a_migration_that_fails_is_one_clear_line(tmp_path: Path, verb: str) -> None:
    data_dir = tmp_path / "data"
    in_the_way(data_dir / "files.db")
    done = run_verb(verb, data_dir=data_dir)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "migrating the database failed, nothing is changed" in line
    assert "installation already exists" in line
    assert tables(data_dir / "files.db") == {"installation"}


def test_a_server_whose_migration_failed_comes_up_once_the_cause_is_gone(server: ServerProcess) -> None:
    in_the_way(server.data_dir / "files.db")
    server.start(wait=False)
    assert server.wait() == 1
    (server.data_dir / "files.db").unlink()
    server.start()


def test_a_schema_newer_than_we_know_is_served_with_a_warning(migrated: ServerProcess) -> None:
    server = migrated
    with contextlib.closing(sqlite3.connect(server.data_dir / "files.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    server.start()
    warnings = [line for line in server.log().splitlines() if "9999" in line]
    assert [json.loads(line)["level"] for line in warnings] == ["warning"]
    assert newest(server.data_dir / "files.db") == "9999"


def test_ctrl_c_while_migrating_lets_the_migration_end(server: ServerProcess) -> None:
    """A terminal sends it to the whole group; the migration waits here for another program's write lock."""
    data_dir = server.data_dir
    data_dir.mkdir()
    with contextlib.closing(sqlite3.connect(data_dir / "files.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        server.start(wait=False)
        migrating = migration_of(server.pid)
        os.killpg(server.pid, signal.SIGINT)
        time.sleep(0.3)
        assert migrating.exists()
        other.execute("COMMIT")
    assert server.wait() == 0
    assert newest(data_dir / "files.db") == revisions()[-1]


def test_the_files_of_the_migrations_are_named_after_their_revisions() -> None:
    script = ScriptDirectory(str(ROOT / "infrastructure" / "migrations"))
    assert revisions() == [revision.revision for revision in script.walk_revisions()][::-1]


def test_asking_whether_the_schema_is_current_loads_no_alembic() -> None:
    program = "import sys, infrastructure.migrate; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
