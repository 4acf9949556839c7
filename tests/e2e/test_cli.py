"""The command line as an operator uses it: real processes, real folders, a real server beside them."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_images import picture, posted
from tests.e2e.tus import Tus
from tests.support.ports import free_port
from tests.support.processes.process import STARTER
from tests.support.processes.server import ServerProcess, clean_environment, run_verb
from tests.support.until import until
from tests.support.wire import Http

# Nothing is spared because it might still be in somebody's hands.
AT_ONCE = {"CLEANUP_AFTER": "100ms"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that has stored one file of 100,000 bytes and ended in order."""
    folder = tmp_path_factory.mktemp("template")
    with ServerProcess(folder) as server:
        Tus(Http(server.port)).completed(b"x" * 100_000)
        assert server.terminate() == 0
    return folder


@pytest.fixture
def stopped(template: Path, data_dir: Path) -> Path:
    """Such a folder to do anything with."""
    shutil.copytree(template, data_dir, dirs_exist_ok=True)
    return data_dir


def blobs(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "storage" / "blobs").rglob("*") if path.is_file()]


def staged(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "storage" / "staged").rglob("*") if path.is_file()]


def test_help_names_every_verb(data_dir: Path) -> None:
    done = run_verb("--help", data_dir=data_dir)
    assert done.returncode == 0
    for verb in ("serve", "worker", "migrate", "cleanup", "jobs", "doctor", "check-config"):
        assert verb in done.stdout


def test_version_is_the_projects(data_dir: Path) -> None:
    done = run_verb("--version", data_dir=data_dir)
    assert done.returncode == 0
    assert done.stdout.startswith("longshore ")


def test_an_unknown_verb_is_refused(data_dir: Path) -> None:
    assert run_verb("explode", data_dir=data_dir).returncode == 2


def test_check_config_shows_what_holds_and_touches_nothing(data_dir: Path) -> None:
    env = {
        "DATABASE_URL": "postgres://root:hunter2@127.0.0.1:1/db",
        "UPLOAD_TTL": "90s",
        "LINK_SECRET": "hunter2-correct-horse-battery-42",
    }
    done = run_verb("check-config", data_dir=data_dir, env=env)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "UPLOAD_TTL=90s" in lines
    assert f"DATA_DIR={data_dir}" in lines
    assert "DATABASE_URL=postgresql+asyncpg://root:***@127.0.0.1:1/db" in lines
    assert "hunter2" not in done.stdout + done.stderr
    assert list(data_dir.iterdir()) == []


def test_check_config_repeats_the_warnings(data_dir: Path) -> None:
    done = run_verb("check-config", data_dir=data_dir, env={"API_HOST": "0.0.0.0"})
    assert done.returncode == 0
    assert "AUTH_MODE is open" in done.stderr


@pytest.mark.parametrize("verb", ["serve", "migrate", "cleanup", "doctor", "check-config"])
def test_wrong_settings_stop_every_verb_with_one_line_each(data_dir: Path, verb: str) -> None:
    env = {"API_PORT": "70000", "DURABILITY": "always", "AUTH_MODE": "basic"}
    done = run_verb(verb, data_dir=data_dir, env=env)
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "API_PORT",
        "DURABILITY",
        "AUTH_MODE",
    ]
    assert list(data_dir.iterdir()) == []


def test_a_slip_in_dotenv_stops_the_start(data_dir: Path) -> None:
    (data_dir / ".env").write_text("API_PROT=9000\n")
    done = run_verb("check-config", data_dir=data_dir)
    assert done.returncode == 2
    assert "API_PORT?" in done.stderr


def test_migrate_makes_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    env = {"DATA_DIR": str(tmp_path / "new" / "data")}
    for _ in range(2):
        assert run_verb("migrate", data_dir=tmp_path, env=env).returncode == 0
    assert (tmp_path / "new" / "data" / "files.db").stat().st_size > 0


@pytest.mark.parametrize("verb", ["migrate", "cleanup", "doctor"])
def test_a_database_that_is_away_is_one_line_not_a_traceback(stopped: Path, verb: str) -> None:
    env = {"DATABASE_URL": f"postgres://root:hunter2@127.0.0.1:{free_port()}/db"}
    done = run_verb(verb, data_dir=stopped, env=env)
    assert done.returncode == 1
    assert "the database is away" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_on_a_fresh_folder_the_doctor_finds_nothing_yet_and_makes_nothing(data_dir: Path) -> None:
    done = run_verb("doctor", data_dir=data_dir)
    assert done.returncode == 1
    assert "there is no volume" in done.stdout
    assert "the database does not exist yet" in done.stdout
    assert list(data_dir.iterdir()) == []


def test_after_a_stored_file_the_doctor_is_content(stopped: Path) -> None:
    for words in (["doctor"], ["doctor", "--scrub"]):
        done = run_verb(*words, data_dir=stopped, env=AT_ONCE)
        assert done.returncode == 0, done.stdout
        assert "PROBLEM" not in done.stdout
        assert "all 1 files are there" in done.stdout


def test_the_doctor_may_come_while_the_server_runs(data_dir: Path) -> None:
    with ServerProcess(data_dir) as server:
        Tus(Http(server.port)).completed(b"x" * 1000)
        done = run_verb("doctor", data_dir=data_dir)
    assert done.returncode == 0, done.stdout


def test_cleanup_and_doctor_know_postgresql_too(postgres_url: str, data_dir: Path) -> None:
    env = {"DATABASE_URL": postgres_url}
    assert run_verb("migrate", data_dir=data_dir, env=env).returncode == 0
    with ServerProcess(data_dir, env) as server:
        Tus(Http(server.port)).completed(b"x" * 1000)
        assert server.terminate() == 0
    assert run_verb("cleanup", data_dir=data_dir, env={**env, **AT_ONCE}).returncode == 0
    done = run_verb("doctor", "--scrub", data_dir=data_dir, env={**env, **AT_ONCE})
    assert done.returncode == 0, done.stdout
    assert "all 1 files are there" in done.stdout
    assert not (data_dir / "files.db").exists()


def test_that_nobody_does_jobs_is_told_by_the_doctor_and_the_log(data_dir: Path) -> None:
    env = {"WORKERS_INLINE": "0"}
    with ServerProcess(data_dir, env) as server:
        posted(Http(server.port), picture("png"))
        assert "nobody has done any" not in run_verb("doctor", data_dir=data_dir, env=env).stdout
        with sqlite3.connect(data_dir / "files.db", timeout=10) as database:
            database.execute("UPDATE jobs SET due_at = '2026-11-01 00:00:00.000000'")
        assert "PROBLEM  1 jobs wait, and nobody has done any" in run_verb("doctor", data_dir=data_dir, env=env).stdout
        assert server.terminate() == 0
        assert "nobody has done any" not in server.log()
        server.launch()
        until(lambda: "1 jobs wait, and nobody has done any" in server.log())


def test_the_doctor_finds_a_missing_blob(stopped: Path) -> None:
    (blob,) = blobs(stopped)
    blob.unlink()
    done = run_verb("doctor", data_dir=stopped)
    assert done.returncode == 1
    assert f"file {blob.name}: its bytes are missing" in done.stdout


def test_the_doctor_finds_a_shortened_blob(stopped: Path) -> None:
    (blob,) = blobs(stopped)
    os.truncate(blob, 99_999)
    done = run_verb("doctor", data_dir=stopped)
    assert done.returncode == 1
    assert "it has 99999 bytes, 100000 were received" in done.stdout


def test_only_scrubbing_finds_a_flipped_bit(stopped: Path) -> None:
    (blob,) = blobs(stopped)
    content = bytearray(blob.read_bytes())
    content[50_000] ^= 1
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(content)
    assert run_verb("doctor", data_dir=stopped).returncode == 0
    done = run_verb("doctor", "--scrub", data_dir=stopped)
    assert done.returncode == 1
    assert f"file {blob.name}: its bytes are not those that were received" in done.stdout


def test_the_doctor_finds_a_blob_that_is_no_files(stopped: Path) -> None:
    (stopped / "storage" / "blobs" / "ab").mkdir(exist_ok=True)
    shutil.copy(blobs(stopped)[0], stopped / "storage" / "blobs" / "ab" / ("ab" * 16))
    time.sleep(0.2)
    done = run_verb("doctor", data_dir=stopped, env=AT_ONCE)
    assert done.returncode == 1
    assert "1 sealed blobs" in done.stdout


def test_the_doctor_tells_a_wrong_volume(stopped: Path) -> None:
    marker = stopped / "storage" / ".longshore"
    marker.chmod(0o600)
    marker.write_text("0" * 32 + "\n")
    done = run_verb("doctor", data_dir=stopped)
    assert done.returncode == 1
    assert "another storage" in done.stdout


def test_the_doctor_misses_the_marker_of_an_unmounted_volume(stopped: Path) -> None:
    (stopped / "storage" / ".longshore").unlink()
    done = run_verb("doctor", data_dir=stopped)
    assert done.returncode == 1
    assert "not mounted" in done.stdout


def test_the_doctor_minds_who_may_look_in(stopped: Path) -> None:
    (stopped / "storage" / "blobs").chmod(0o755)
    done = run_verb("doctor", data_dir=stopped)
    assert done.returncode == 1
    assert "others on this machine may look into blobs" in done.stdout


def test_cleanup_removes_staged_bytes_that_belong_to_nobody(stopped: Path) -> None:
    orphan = stopped / "storage" / "staged" / "ab" / ("ab" * 16)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 10)
    time.sleep(0.2)
    found = run_verb("doctor", data_dir=stopped, env=AT_ONCE)
    assert found.returncode == 1
    assert "1 staged uploads" in found.stdout
    foreseen = run_verb("cleanup", "--dry-run", data_dir=stopped, env=AT_ONCE)
    assert orphan.exists()
    done = run_verb("cleanup", data_dir=stopped, env=AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert not orphan.exists()
    assert (foreseen.returncode, foreseen.stdout) == (0, f"would be done: {done.stdout}"), foreseen.stderr
    assert run_verb("doctor", data_dir=stopped, env=AT_ONCE).returncode == 0


@pytest.mark.parametrize(
    "words", [["doctor"], ["check-config"], ["migrate"], ["cleanup"], ["--help"], ["--version"]], ids=" ".join
)
def test_whoever_reads_no_further_gets_no_traceback(stopped: Path, words: list[str]) -> None:
    assert read_lines(stopped, words, 0) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("lines", [1, 3], ids=["before the database is open", "behind that"])
def test_whoever_has_read_enough_of_doctor_gets_no_traceback(stopped: Path, lines: int) -> None:
    assert read_lines(stopped, ["doctor"], lines) == (128 + signal.SIGPIPE, b"")


def read_lines(data_dir: Path, words: list[str], count: int) -> tuple[int, bytes]:
    """Read so many lines of what a verb prints, then close the pipe; its exit code and standard error."""
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb", buffering=0) as lines:
        if count == 0:
            lines.close()
        verb = subprocess.Popen(
            [sys.executable, str(STARTER), *words],
            cwd=data_dir,
            env=clean_environment(data_dir, {"PYTHONUNBUFFERED": ""}),  # as at a terminal
            stdin=subprocess.DEVNULL,
            stdout=writes,
            stderr=subprocess.PIPE,
        )
        os.close(writes)
        for _ in range(count):
            assert lines.readline()
    _, errors = verb.communicate(timeout=60)
    return verb.returncode, errors


def test_what_a_stranger_left_among_the_folders_stops_nobody(stopped: Path) -> None:
    for folder in ("staged", "blobs"):
        (stopped / "storage" / folder / ".DS_Store").write_bytes(b"left")
    for verb in ("cleanup", "doctor"):
        done = run_verb(verb, data_dir=stopped, env=AT_ONCE)
        assert done.returncode == 0, done.stderr


def test_nobody_else_may_read_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "made-before"
    folder.mkdir(mode=0o755)
    assert run_verb("migrate", data_dir=folder).returncode == 0
    assert (folder / "files.db").stat().st_mode & 0o777 == 0o600


def test_cleanup_spares_what_may_be_in_somebodys_hands(stopped: Path) -> None:
    orphan = stopped / "storage" / "staged" / "ab" / ("ab" * 16)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 10)
    assert run_verb("cleanup", data_dir=stopped).returncode == 0
    assert orphan.exists()


def test_cleanup_ends_expired_uploads_and_leaves_files_alone(data_dir: Path) -> None:
    with ServerProcess(data_dir, {"UPLOAD_TTL": "1s"}) as server:
        tus = Tus(Http(server.port))
        tus.completed(b"x" * 1000)
        target = tus.created(2000)
        tus.patch(target, 0, b"y" * 1000)
        assert server.terminate() == 0
    assert len(staged(data_dir)) == 1
    time.sleep(1.2)
    done = run_verb("cleanup", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert "1 expired uploads ended" in done.stdout
    assert staged(data_dir) == []
    assert len(blobs(data_dir)) == 1
    assert run_verb("doctor", data_dir=data_dir, env=AT_ONCE).returncode == 0


@pytest.mark.parametrize(("verb", "seconds"), [("serve", 0.0), ("worker", 0.0), ("worker", 0.4)])
def test_who_is_told_to_stop_while_it_starts_stops_in_order(data_dir: Path, verb: str, seconds: float) -> None:
    environment = clean_environment(data_dir, {"API_PORT": str(free_port())})
    command = [sys.executable, str(STARTER), verb]
    with subprocess.Popen(command, cwd=data_dir, env=environment, stdout=subprocess.DEVNULL) as process:
        until(lambda: heeds(process.pid, signal.SIGTERM), within=10, every=0.002)
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def heeds(pid: int, number: signal.Signals) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
