"""A program that runs beside a test: started, signalled, killed and reaped by its process id, never by its name."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

ROOT = Path(__file__).resolve().parents[3]
STARTER = ROOT / "starter.py"
_SIGTERM = signal.SIGTERM  # within the class that name is a method's


class Running(Protocol):
    """Of ``subprocess.Popen`` what is asked of a process here."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class ChildProcess:
    """Runs from ``launch()`` or ``with`` until it ends, is killed or the block is left; may be launched again then.

    ``log_path`` gets what it writes, unless ``speaks``: then ``say`` and ``told`` are its input and output, and the log
    gets its errors.
    """

    def __init__(
        self,
        command: Sequence[str | Path] = (),
        *,
        name: str = "the process",
        cwd: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        speaks: bool = False,
        own_session: bool = True,
        account: Mapping[str, Any] | None = None,
    ) -> None:
        """``own_session``: Ctrl-C in the terminal is for pytest, which then ends it in order.

        ``account``: whose name it runs under, in the words of ``subprocess``.
        """
        self.command = tuple(command)
        self.environment = environment
        self.log_path = log_path
        self._name = name
        self._cwd = cwd
        self._speaks = speaks
        self._own_session = own_session
        self._account = dict(account or {})
        self._process: Running | None = None

    @property
    def pid(self) -> int:
        return self._launched().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._launched().poll()

    def launch(self) -> None:
        if self.alive:
            raise RuntimeError(f"{self._name} already runs as process {self.pid}")
        self._close_pipes()
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self.log_path.open("ab")) if self.log_path else subprocess.DEVNULL
            self._process = self._spawned(log)

    def _spawned(self, log: IO[bytes] | int) -> Running:
        return subprocess.Popen(
            self.command,
            cwd=self._cwd,
            env=self.environment,
            stdin=subprocess.PIPE if self._speaks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._speaks else log,
            stderr=log,
            start_new_session=self._own_session,
            **self._account,
        )

    def signal(self, number: int) -> None:
        self._launched().send_signal(number)

    def kill(self) -> None:
        """SIGKILL and reap; one that has ended already is left as it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self, timeout: float) -> int:
        """Wait for its own end, return the exit code.

        Raises:
            RuntimeError: it did not end in time (it is killed then).
        """
        try:
            return self._launched().wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self._name} still ran after {timeout:.0f} s\n{self.log_tail()}") from None

    def end(self, number: int = _SIGTERM, *, within: float) -> None:
        """Ask it to end, kill it if it does not in time; one that is not there is none."""
        if self.alive:
            self.signal(number)
            with contextlib.suppress(RuntimeError):
                self.wait(within)

    def say(self, line: bytes = b"") -> None:
        pipe = self._launched().stdin
        assert pipe is not None, f"{self._name} listens to nobody"
        pipe.write(line + b"\n")
        pipe.flush()

    def told(self) -> str:
        """Its next line; empty once it has ended."""
        pipe = self._launched().stdout
        assert pipe is not None, f"{self._name} speaks to nobody"
        return pipe.readline().decode().strip()

    def hang_up(self) -> None:
        """Nothing more will be said to it."""
        pipe = self._launched().stdin
        assert pipe is not None, f"{self._name} listens to nobody"
        pipe.close()

    def log(self) -> str:
        """All it has written so far, over all its starts."""
        if self.log_path is not None:
            with contextlib.suppress(FileNotFoundError):
                return self.log_path.read_text(errors="replace")
        return ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join([f"--- end of the log of {self._name} ---", *self.log().splitlines()[-lines:]])

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._close_pipes()

    def _launched(self) -> Running:
        if self._process is None:
            raise RuntimeError(f"{self._name} was never started")
        return self._process

    def _close_pipes(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # what was said last has no reader
                        pipe.close()


def python_module(name: str, *words: str) -> list[str]:
    """The command that runs a module of ours with this very Python."""
    return [sys.executable, "-m", name, *words]
