"""The server under test as a real process: started, killed, restarted on the same port and data folder.

``with ServerProcess(tmp_path) as server: ... server.url`` is the usual form; the fixture ``server`` does it.
"""

import contextlib
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
from types import TracebackType
from typing import Self

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "starter.py"
START_SECONDS = 30.0  # bound for a loaded two-core machine; an idle one needs about a second
DRAIN_SECONDS = 35.0  # CONTRACT §0: running requests have 30 s to end
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")  # nothing that could be a setting of ours


def clean_environment(data_dir: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of ours gets: a few variables of the system's, our defaults for tests, then ``env``."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    ours = {
        "DATA_DIR": str(data_dir),
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**inherited, **ours, **(env or {})}


def run_verb(
    *words: str, data_dir: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``starter.py <words>`` to its end (``migrate``, ``doctor`` …), output captured."""
    return subprocess.run(
        [sys.executable, str(STARTER), *words],
        cwd=data_dir,  # away from the project: neither its .env nor its folder may matter
        env=clean_environment(data_dir, env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        done = run_verb("migrate", data_dir=Path(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return Path(folder, "files.db").read_bytes()


def _lay_out_database(path: Path) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_empty_database())


class ServerProcess:
    """One ``starter.py serve`` on loopback, ended by its process id, at the latest by the ``with``."""

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

        ``migrates``: its first start finds nothing; else it finds an empty database, which saves it a second.

        ``log_path`` moves the log out of the data folder (for tests that fill that disk).
        ``wrapper`` goes before the command; it must leave the server its process id (``strace -D`` does).
        """
        self.data_dir = data_dir
        self.env: dict[str, str] = dict(env or {})
        self.port = port or free_port()
        self.log_path = log_path or data_dir / "server.log"
        self.wrapper = tuple(wrapper)
        self._migrates = migrates
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True, timeout: float = START_SECONDS) -> float:
        """Start it; with ``wait`` until it is healthy. Returns the seconds that took."""
        if self.alive:
            raise RuntimeError(f"the server already runs as process {self.pid}")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._migrates and "DATABASE_URL" not in self.env:
            _lay_out_database(self.data_dir / "files.db")
        environment = clean_environment(
            self.data_dir, {"API_HOST": "127.0.0.1", "API_PORT": str(self.port), **self.env}
        )
        began = time.monotonic()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.wrapper, sys.executable, str(STARTER), "serve"],
                cwd=self.data_dir,  # away from the project: neither its .env nor its folder may matter
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for pytest, which then ends us in order
            )
        if wait:
            self.wait_until_healthy(timeout)
        return time.monotonic() - began

    def wait_until_healthy(self, timeout: float = START_SECONDS) -> None:
        """Return once ``GET /health`` is 200.

        Raises:
            RuntimeError: the process ended, or the time is over (it is killed then); with the log's end.
        """
        process = self._running()
        deadline = time.monotonic() + timeout
        answer = "no answer"
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(
                    f"the server ended with {process.returncode} before it was healthy\n{self.log_tail()}"
                )
            answer = self._health()
            if answer == "200":
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the server was not healthy after {timeout:.0f} s (/health: {answer})\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL and reap; a server that has ended already is left as it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, timeout: float = DRAIN_SECONDS) -> int:
        """SIGTERM, wait for the drain, return the exit code.

        Raises:
            RuntimeError: it did not end in time (it is killed then).
        """
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float = DRAIN_SECONDS) -> int:
        """Wait for its own end, return the exit code; past ``timeout`` kill it and raise a RuntimeError."""
        process = self._running()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server still ran after {timeout:.0f} s\n{self.log_tail()}") from None

    def restart(self, *, timeout: float = START_SECONDS) -> float:
        """Kill it if it still runs, start it again on the same port and data; seconds until healthy."""
        self.kill()
        return self.start(timeout=timeout)

    def signal(self, number: int) -> None:
        self._running().send_signal(number)

    def log(self) -> str:
        """All it has written so far, over all its starts."""
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace")
        return ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(["--- end of the server's log ---", *self.log().splitlines()[-lines:]])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    def _health(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
