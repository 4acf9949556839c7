"""The server under test as a real process: started, killed, restarted on the same port and data folder.

``with ServerProcess(tmp_path) as server: ... server.url`` is the usual form; the fixture ``server`` does it.
"""

import atexit
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Self

from tests.support.ports import free_port
from tests.support.processes.forked import Forking
from tests.support.processes.process import ROOT, STARTER, ChildProcess, Running, python_module
from tests.support.until import becomes

START_SECONDS = 30.0  # bound for a loaded two-core machine; an idle one needs about a second
DRAIN_SECONDS = 35.0  # running requests have 30 s to end
AS_INSTALLED = Path(__file__).parent / "as_installed"
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")  # nothing that could be a setting of ours


def clean_environment(data_dir: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of ours gets: a few variables of the system's, our defaults for tests, then ``env``."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    ours = {
        "DATA_DIR": str(data_dir),
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(AS_INSTALLED),
    }
    return {**inherited, **ours, **(env or {})}


@cache
def _forking() -> Forking:
    """This process's own."""
    forking = Forking(clean_environment(ROOT))
    atexit.register(forking.close)
    return forking


def run_verb(
    *words: str, data_dir: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``starter.py <words>`` to its end (``migrate``, ``doctor`` …), output captured."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = _forking().start(
            words,
            cwd=data_dir,  # away from the project: neither its .env nor its folder may matter
            environment=clean_environment(data_dir, env),
            output=output.fileno(),
            errors=errors.fileno(),
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        done = run_verb("migrate", data_dir=Path(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return Path(folder, "files.db").read_bytes()


def lay_out_database(path: Path) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_empty_database())


class ModuleProcess(ChildProcess):
    """A module of the tests that runs what a server consists of; forked as servers are."""

    def __init__(self, module: str, *, name: str, environment: Mapping[str, str], log_path: Path) -> None:
        super().__init__(python_module(module), name=name, environment=environment, log_path=log_path)
        self._module = module

    def _spawned(self, log: IO[bytes] | int) -> Running:
        assert self.environment is not None
        if isinstance(log, int) or not _forking().bears(self.environment):
            return super()._spawned(log)
        number = log.fileno()
        return _forking().start(
            ["-m", self._module], cwd=ROOT, environment=self.environment, output=number, errors=number
        )


class ServerProcess(ChildProcess):
    """One ``starter.py serve`` on loopback, ended by its process id, at the latest by the ``with``."""

    log_path: Path

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        log_path: Path | None = None,
        wrapper: Sequence[str] = (),
        migrates: bool = False,
    ) -> None:
        """Nothing runs before ``start()`` or ``with``.

        ``migrates``: its first start finds nothing, and it is started by its file; else it finds an empty database,
        which saves it a second, and is forked (``forked.py``) unless there is a ``wrapper`` or it is to be several.

        ``log_path`` moves the log out of the data folder (for tests that fill that disk).
        ``wrapper`` goes before the command; it must leave the server its process id (``strace -D`` does).
        """
        super().__init__(
            [*wrapper, sys.executable, str(STARTER), "serve"],
            name="the server",
            cwd=data_dir,  # away from the project: neither its .env nor its folder may matter
            log_path=log_path or data_dir / "server.log",
        )
        self._is_forked = not wrapper and not migrates and "PROCESSES" not in (env or {})
        self.data_dir = data_dir
        self.env: dict[str, str] = dict(env or {})
        self.port = port or free_port()
        self._migrates = migrates

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True, timeout: float = START_SECONDS) -> float:
        """Start it; with ``wait`` until it is healthy. Returns the seconds that took."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._migrates and "DATABASE_URL" not in self.env:
            lay_out_database(self.data_dir / "files.db")
        own = {"API_HOST": "127.0.0.1", "API_PORT": str(self.port), **self.env}
        self.environment = clean_environment(self.data_dir, own)
        began = time.monotonic()
        self.launch()
        if wait:
            self.wait_until_healthy(timeout)
        return time.monotonic() - began

    def _spawned(self, log: IO[bytes] | int) -> Running:
        assert self.environment is not None
        if not self._is_forked or isinstance(log, int) or not _forking().bears(self.environment):
            return super()._spawned(log)
        number = log.fileno()
        return _forking().start(
            ["serve"], cwd=self.data_dir, environment=self.environment, output=number, errors=number
        )

    def wait_until_healthy(self, timeout: float = START_SECONDS) -> None:
        """Return once ``GET /health`` is 200.

        Raises:
            RuntimeError: the process ended, or the time is over (it is killed then); with the log's end.
        """
        if not becomes(lambda: self.exit_code is not None or self._health() == "200", within=timeout, every=0.02):
            answer = self._health()
            self.kill()
            raise RuntimeError(
                f"the server was not healthy after {timeout:.0f} s (/health: {answer})\n{self.log_tail()}"
            )
        if self.exit_code is not None:
            raise RuntimeError(f"the server ended with {self.exit_code} before it was healthy\n{self.log_tail()}")

    def terminate(self, timeout: float = DRAIN_SECONDS) -> int:
        """SIGTERM, wait for the drain, return the exit code.

        Raises:
            RuntimeError: it did not end in time (it is killed then).
        """
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float = DRAIN_SECONDS) -> int:
        """Wait for its own end, return the exit code; past ``timeout`` kill it and raise a RuntimeError."""
        return super().wait(timeout)

    def restart(self, *, timeout: float = START_SECONDS) -> float:
        """Kill it if it still runs, start it again on the same port and data; seconds until healthy."""
        self.kill()
        return self.start(timeout=timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def _health(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
