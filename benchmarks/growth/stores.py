"""The two databases, laid out by ``migrate`` and filled with rows; what each table and index takes of them."""

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.figures import Failed
from benchmarks.growth.rows import POSTGRESQL, SQLITE, statements
from benchmarks.processes import ServerProcess
from benchmarks.workbench import PROJECT
from tests.support.processes.postgres import PostgresCluster


@dataclass(frozen=True, slots=True)
class Size:
    """Of a table or an index: its bytes on the disk, and how many rows or entries it has."""

    table: str
    name: str
    bytes: int
    rows: int


class Store(ABC):
    """One database with ``many`` files, and a data folder beside it."""

    kind: str

    def __init__(self, folder: Path, many: int) -> None:
        self.folder = folder
        self.many = many
        self.more_settings: dict[str, str] = {}
        folder.mkdir(parents=True)

    @property
    @abstractmethod
    def url(self) -> str: ...

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "AUTH_MODE": "gateway",
            "TRUSTED_PROXIES": "127.0.0.1",
            "RATE_LIMIT": "none",
            "QUOTA_OPEN_UPLOADS": "1000000",
            "QUOTA_FILES": "100000000",
            "QUOTA_BYTES": "900TB",
            "CLEANUP_INTERVAL": "24h",
            "LOG_LEVEL": "ERROR",
            "LOG_ACCESS": "0",
            "WORKERS_INLINE": "1",
            **self.more_settings,
        }

    def run_verb(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, PROJECT / "starter.py", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            raise Failed(f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout

    def fill(self) -> None:
        self.run_verb("migrate")
        self._fill()

    @abstractmethod
    def _fill(self) -> None:
        """Without triggers and indexes, which are made again afterwards: else it would take an hour."""

    @abstractmethod
    def sizes(self) -> Sequence[Size]: ...

    @abstractmethod
    def written(self, process: ServerProcess) -> int:
        """How many bytes the database has written so far, as a number that only grows."""

    @abstractmethod
    def query(self, statement: str) -> Sequence[Sequence[object]]: ...


class SqliteStore(Store):
    kind = "SQLite"

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.folder}/files.db"

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "files.db", isolation_level=None)

    def _fill(self) -> None:
        with closing(self._connect()) as connection:
            connection.create_function("digest", 1, _digest, deterministic=True)
            connection.create_function("blob", 1, lambda text: hashlib.sha256(text.encode()).digest())
            for pragma in ("synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            made = connection.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
            ).fetchall()
            connection.execute("BEGIN")
            for type_, name, _ in made:
                connection.execute(f"DROP {type_} {name}")
            for statement in statements(SQLITE, self.many):
                connection.execute(statement)
            for *_, sql in sorted(made):
                connection.execute(sql)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def sizes(self) -> Sequence[Size]:
        with closing(self._connect()) as connection:
            pages = connection.execute("SELECT name, sum(pgsize), sum(ncell) FROM dbstat GROUP BY name").fetchall()
            tables = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master"))
            rows = {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
                for name in set(tables.values())
                if not name.startswith("sqlite_")
            }
        return [Size(tables.get(name, name), name, size, rows.get(name, cells)) for name, size, cells in pages if size]

    def written(self, process: ServerProcess) -> int:
        """With what the server writes of the files themselves."""
        found = 0
        for pid in process.family():
            lines = Path(f"/proc/{pid}/io").read_text().splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
        return found

    def query(self, statement: str) -> Sequence[Sequence[object]]:
        with closing(self._connect()) as connection:
            return connection.execute(statement).fetchall()


class PostgresStore(Store):
    kind = "PostgreSQL"

    def __init__(self, folder: Path, many: int, cluster: PostgresCluster) -> None:
        super().__init__(folder, many)
        self._url = cluster.create_database()

    @property
    def url(self) -> str:
        return self._url

    def _fill(self) -> None:
        made = self.query(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint)"
        )
        tables = [name for (name,) in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        work = [
            "SET synchronous_commit = off",
            "SET maintenance_work_mem = '512MB'",
            *(f"DROP INDEX {name}" for name, _ in made),
            *(f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in tables),
            *statements(POSTGRESQL, self.many),
            *(f"ALTER TABLE {name} ENABLE TRIGGER ALL" for name in tables),
            *(str(definition) for _, definition in made),
            "VACUUM ANALYZE",
            "CHECKPOINT",
        ]
        asyncio.run(_execute(self.url, work))

    def sizes(self) -> Sequence[Size]:
        found = self.query(
            "SELECT coalesce(t.relname, c.relname), c.relname, pg_relation_size(c.oid), c.reltuples::bigint"
            " FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')"
        )
        return [Size(str(table), str(name), int(str(size)), int(str(rows))) for table, name, size, rows in found]

    def written(self, process: ServerProcess) -> int:
        """Of its log: what follows is written to the disk, sent to replicas and kept in archives."""
        [[position]] = self.query("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(str(position))

    def query(self, statement: str) -> Sequence[Sequence[object]]:
        return asyncio.run(_fetch(self.url, statement))


@contextmanager
def cluster() -> Iterator[PostgresCluster]:
    """That of the tests, but it syncs as one does in earnest, and has some memory."""
    with PostgresCluster() as started:
        for setting in ("fsync = on", "full_page_writes = on", "shared_buffers = '1GB'", "max_wal_size = '4GB'"):
            started.execute(f"ALTER SYSTEM SET {setting}")
        started.stop()
        started.start()
        yield started


async def _execute(url: str, work: Sequence[str]) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        for statement in work:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch(url: str, statement: str) -> Sequence[Sequence[object]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
