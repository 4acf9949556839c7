"""The database is busy, or goes away and comes back."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.beside import in_thread
from tests.chaos.rig.client import TUS, Fleet, HangingPatch, ResumingUpload, ask
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import lost_promises, wrong_content
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.server import ServerProcess
from tests.support.until import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

_MIB = 1024 * 1024
_LOCKED = """SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'
    AND relation = 'received_ranges'::regclass"""


# --- SQLite


@pytest.mark.parametrize("body", [64 * 1024, _MIB])
def test_another_writer_of_the_sqlite_file_delays_an_answer_and_nothing_else(tmp_path: Path, body: int) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(1, 3 * _MIB), chunk_sizes=[body])
        upload.create()
        upload.send(0)
        with _write_lock(server.data_dir / "files.db", seconds=2):
            began = time.monotonic()
            sending = threading.Thread(target=upload.send, args=(body,))
            sending.start()
            time.sleep(0.3)
            asked = time.monotonic()
            assert ask(server.url, "OPTIONS", "/uploads").status == 204
            assert ask(server.url, "GET", "/health").status == 200
            assert time.monotonic() - asked < 1, "the event loop waited for the lock"
            sending.join(30)
        assert upload.promised == 2 * body
        assert time.monotonic() - began < 10
        upload.run(within=30)
        assert upload.broken_promises == [] and upload.surprises == {}
        assert wrong_content(server.url, [upload]) == []


def test_a_lease_that_another_writer_kept_from_being_renewed_is_503_and_no_conflict(tmp_path: Path) -> None:
    """Nobody has taken the upload over: its client has to come back, not to wonder who did."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(1, 2 * _MIB), chunk_sizes=[_MIB])
        upload.create()
        upload.send(0)
        sent = upload.content.read(_MIB, _MIB + 1000)
        hanging = HangingPatch(server.url, upload.location, offset=_MIB, announced=_MIB, sent=sent)
        with _write_lock(server.data_dir / "files.db", seconds=9.5):
            assert hanging.ended_within(12) is not None
        head = hanging.answer.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 503 ") and b"\r\nretry-after: " in head
        hanging.close()
        upload.run(within=30)
        assert upload.broken_promises == []
        assert wrong_content(server.url, [upload]) == []


# --- PostgreSQL, away and back


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_while_postgres_is_away_the_answer_is_503_and_then_uploads_go_on(
    tmp_path: Path, postgres: PostgresCluster, server_postgres_url: str, mode: str
) -> None:
    with ServerProcess(tmp_path / "data", {**CHAOS, "DATABASE_URL": server_postgres_url}) as server:
        fleet = Fleet(4, lambda number: _paced(server, number))
        fleet.start()
        try:
            until(lambda: fleet.acknowledgements > 20, "no upload got under way")
            postgres.stop(mode)
            one = fleet.uploads[0]
            asked = time.monotonic()
            created = ask(server.url, "POST", "/uploads", {**TUS, "Upload-Length": "5"})
            known = ask(server.url, "HEAD", one.location, TUS)
            health = ask(server.url, "GET", "/health")
            assert time.monotonic() - asked < 30, "the waits are not bounded"
            assert (created.status, known.status, health.status) == (503, 503, 503)
            assert created.header("retry-after") and known.header("retry-after")
            time.sleep(1)
            postgres.start()
            before = fleet.acknowledgements
            until(lambda: fleet.acknowledgements > before + 10, "no upload went on afterwards")
        finally:
            postgres.start()
            fleet.finish()
        assert server.alive
        assert fleet.errors == []
        assert fleet.broken_promises == []
        assert fleet.surprises == {}
        assert lost_promises(server.url, fleet.uploads) == []
        assert wrong_content(server.url, fleet.uploads) == []
        until(lambda: ask(server.url, "GET", "/health").status == 200, "it never became healthy again")


def test_a_locked_table_of_postgres_delays_an_answer_and_nothing_else(
    tmp_path: Path, postgres: PostgresCluster, server_postgres_url: str
) -> None:
    with ServerProcess(tmp_path / "data", {**CHAOS, "DATABASE_URL": server_postgres_url}) as server:
        upload = ResumingUpload(server.url, Content(1, 3 * _MIB), chunk_sizes=[200_000])
        upload.create()
        upload.send(0)
        lock = "LOCK TABLE received_ranges IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2)"
        locking = in_thread(postgres.execute, lock, server_postgres_url.rpartition("/")[2])
        until(lambda: postgres.count(_LOCKED, server_postgres_url), "the lock never came")
        sending = in_thread(upload.send, 200_000)
        time.sleep(0.3)
        assert upload.promised == 200_000, "the lock held nothing back"
        asked = time.monotonic()
        assert ask(server.url, "GET", "/health").status == 200
        assert time.monotonic() - asked < 1, "the event loop waited for the lock"
        sending.join(30)
        locking.join(30)
        assert upload.promised == 400_000
        upload.run(within=30)
        assert upload.broken_promises == [] and upload.surprises == {}
        assert wrong_content(server.url, [upload]) == []


def _paced(server: ServerProcess, number: int) -> ResumingUpload:
    return ResumingUpload(server.url, Content(number, 1_000_003), chunk_sizes=[30_000, 90_000, 7], pause=0.03)


@contextlib.contextmanager
def _write_lock(database: Path, *, seconds: float) -> Iterator[None]:
    """Hold SQLite's one write lock from outside for so long (or shorter, if the block ends before)."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, connection.execute, args=("ROLLBACK",))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()
