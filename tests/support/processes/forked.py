"""``starter.py`` without its imports, which are most of what a start costs: a process that has done them once forks.

What runs is a process of its own with the folder, environment and descriptors it was ordered with, as one that was
started by its file; importing touches nothing outside (``tests/architecture/test_import_time.py``). The process that
forks lives as long as that which asked for it.
"""

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.processes.process import ROOT, STARTER

_MAX_ORDER_BYTES = 256 * 1024
# Read before the first line of ours runs, or by what is loaded before Python is.
_AT_BIRTH = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "TZ")


class Forked:
    """Of ``subprocess.Popen`` what is asked of a process here."""

    stdin = None
    stdout = None

    def __init__(self, forking: "Forking", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forking = forking
        self._fd = os.pidfd_open(pid)  # nobody reaps it but we, so it is this one

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._look(timeout) is None:
            raise subprocess.TimeoutExpired(str(STARTER), timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            if poll.poll(None if timeout is None else timeout * 1000):
                self.returncode = self._forking.reap(self.pid)
                os.close(self._fd)
        return self.returncode


class Forking:
    """The process that forks, seen from the one that asks."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its.fileno())],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )

    def bears(self, environment: Mapping[str, str]) -> bool:
        """Whether such a process would be the same if it were started by its file."""
        return _birth(environment) == _birth(self._environment)

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: int,
        errors: int,
    ) -> Forked:
        """``starter.py <words>`` in a session of its own; ``output`` and ``errors`` are descriptors.

        With ``-m`` as the first of ``words``: the module that is named then.
        """
        assert self.bears(environment)
        order = {"words": list(words), "cwd": str(cwd), "environment": dict(environment)}
        return Forked(self, self._ask(order, [output, errors]))

    def reap(self, pid: int) -> int:
        """Its exit code as ``subprocess`` has it; it has ended."""
        return self._ask({"reap": pid})

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def _ask(self, order: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(order).encode()], list(descriptors))
            answer = self._socket.recv(100)
        if not answer:
            raise RuntimeError("the process that forks is gone")
        return int(answer)


def _birth(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_BIRTH)}


def _serve(asked: socket.socket) -> list[str] | None:
    """Fork for each order; in the new process: the words that it was ordered with."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(asked, _MAX_ORDER_BYTES, 2)
        if not data:
            return None
        order = json.loads(data)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            asked.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        _load_what_is_late(order["environment"])
        pid = os.fork()
        if pid == 0:
            _become(order, *descriptors)
            return [*order["words"]]
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(str(pid).encode())


def _become(order: Mapping[str, Any], output: int, errors: int) -> None:
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, max(output, errors, 64) + 1)
    sys.argv = [str(STARTER), *order["words"]]


def _load_what_is_late(environment: Mapping[str, str]) -> None:
    """What a server loads when its settings ask for it; who comes without them has it and does not use it."""
    if environment.get("DATABASE_URL", "").startswith("postgres"):
        import sqlalchemy.ext.asyncio  # noqa: F401
    if environment.get("STORAGE_URL", "").startswith("s3"):
        import adapters.outbound.s3.chunk_storage  # noqa: F401


def _main() -> None:

    import infrastructure.doctor
    import infrastructure.server
    import infrastructure.worker  # noqa: F401
    from infrastructure.cli import main

    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401
    gc.freeze()  # each of them would look through all of this once more at its end
    asked = socket.socket(fileno=int(sys.argv[1]))
    words = _serve(asked)
    if words is not None:
        asked.detach()  # closed with all that is not its own
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__")
        else:
            main(words)


if __name__ == "__main__":
    _main()
