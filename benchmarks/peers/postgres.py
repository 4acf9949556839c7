"""A PostgreSQL for our own servers to lean on: Debian's or from PATH, as it comes, with every commit on the disk."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Missing
from benchmarks.processes import ServerProcess, accepts_connections, free_port, serving

_USER = "longshore"


class Postgres:
    """One that runs. Nobody outside this machine reaches it, so nobody has to say who they are."""

    def __init__(self, binaries: Path, port: int, process: ServerProcess) -> None:
        self._binaries = binaries
        self._port = port
        self._databases = 0
        self.process = process

    def new_database(self) -> str:
        """Its URL."""
        self._databases += 1
        name = f"run_{self._databases}"
        where = ["--host=127.0.0.1", f"--port={self._port}", f"--username={_USER}"]
        subprocess.run([self._binaries / "createdb", *where, name], check=True, capture_output=True)
        return f"postgresql://{_USER}@127.0.0.1:{self._port}/{name}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Raises:
    Missing: it is not on this machine.
    """
    binaries, account = _binaries(), _account()
    with tempfile.TemporaryDirectory(prefix="longshore-bench-postgres-") as home:
        if account is not None:
            shutil.chown(home, account)  # it refuses to run as root
        data, port = Path(home, "data"), free_port()
        subprocess.run(
            [binaries / "initdb", "--pgdata", data, f"--username={_USER}", "--auth=trust", "--encoding=UTF8"],
            check=True,
            capture_output=True,
            cwd=home,
            user=account,
            extra_groups=None if account is None else [],
        )
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 200}
        with serving(
            [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
            folder=Path(home),
            environment={},
            log=Path(home, "log"),
            account=account,
        ) as process:
            process.wait_until(lambda: accepts_connections(port))
            yield Postgres(binaries, port, process)


def _binaries() -> Path:
    if (on_path := shutil.which("initdb")) is not None:
        return Path(on_path).resolve().parent
    installed = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if not installed:
        raise Missing("no initdb and postgres on PATH or in /usr/lib/postgresql")
    return max(installed, key=lambda folder: int(folder.parent.name))


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Missing("postgres refuses to run as root, and there is no account postgres") from None
