"""What the tests fork (``tests/support/processes/forked.py``) is what a start by its file would be."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.processes.process import STARTER
from tests.support.processes.server import ServerProcess, clean_environment, run_verb
from tests.support.until import becomes

_FACTS = ("Umask", "SigBlk", "SigIgn", "SigCgt", "Seccomp", "NoNewPrivs", "CapEff")


def facts(server: ServerProcess) -> dict[str, object]:
    """What the system knows of a process, but for what differs from one start to the next."""
    process = Path(f"/proc/{server.pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    open_files = [str(descriptor.readlink()).partition(":[")[0] for descriptor in (process / "fd").iterdir()]
    return {
        **{name: status[name] for name in _FACTS},
        "folder": (process / "cwd").readlink() == server.data_dir,
        "leads its session": os.getsid(server.pid) == server.pid,
        "descriptors": Counter(name.replace(str(server.data_dir), "") for name in open_files),
    }


def test_a_forked_server_is_as_one_that_was_started_by_its_file(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "forked") as forked,
        ServerProcess(tmp_path / "started", wrapper=["env"]) as started,
    ):
        assert "starter.py" not in Path(f"/proc/{forked.pid}/cmdline").read_text()
        assert "starter.py" in Path(f"/proc/{started.pid}/cmdline").read_text()
        becomes(lambda: facts(forked) == facts(started))  # the last question for their health is still being closed
        assert facts(forked) == facts(started)
        assert (forked.terminate(), started.terminate()) == (0, 0)
        # The access log is written by a thread of its own: its last line may come after.
        assert forked.log().count('"drained"') == started.log().count('"drained"') == 1


def test_a_kill_is_told_as_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        server.kill()
        assert (server.exit_code, server.alive) == (-signal.SIGKILL, False)
        server.start()
        assert server.alive


def test_a_forked_verb_says_what_one_that_was_started_by_its_file_says(tmp_path: Path) -> None:
    env = {"UPLOAD_TTL": "90s", "API_HOST": "0.0.0.0"}
    forked = run_verb("check-config", data_dir=tmp_path, env=env)
    started = subprocess.run(
        [sys.executable, str(STARTER), "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UPLOAD_TTL=90s" in forked.stdout
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
