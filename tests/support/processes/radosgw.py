"""One node of Ceph with an S3 gateway, from Debian's packages: the S3 server to trust for the full run.

    python -m tests.support.processes.radosgw -- COMMAND ...

It runs COMMAND with TEST_S3_SERVER naming the gateway, then takes it away.

Everything lies in one temporary folder and listens on free loopback ports; objects are kept in memory (up to 4 GiB).
Needs ``ceph-mon``, ``ceph-osd``, ``radosgw`` and ``ceph`` (``apt install ceph-mon ceph-osd radosgw ceph-common``).
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess
from tests.support.until import becomes

_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool")
_START_SECONDS = 25.0
_ATTEMPTS = 4
_COMMAND_SECONDS = 60.0

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon_port}]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
run dir = {home}
log file = {home}/$name.log
admin socket = {home}/$name.asok
mon data = {home}/mon
osd data = {home}/osd
keyring = {home}/keyring
[osd]
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable ops log = false
rgw enable usage log = false
"""


class RadosgwMissing(Exception):
    """Ceph's programs are not on this machine."""


class Radosgw:
    """Up when made; ``close()`` ends its processes by their ids and removes its folder."""

    def __init__(self) -> None:
        """Raises:
        RadosgwMissing: with the names of the programs.
        """
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        found = {name: shutil.which(name, path=path) for name in _PROGRAMS}
        if missing := [name for name, program in found.items() if program is None]:
            raise RadosgwMissing(f"not installed: {', '.join(missing)}")
        self._programs = {name: program or "" for name, program in found.items()}
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_hex(20)
        self._processes: list[ChildProcess] = []
        for attempt in range(_ATTEMPTS):
            self.port, self._mon_port = free_port(), free_port()
            self._home = Path(tempfile.mkdtemp(prefix="longshore-ceph-"))
            try:
                self._start()
                return
            except BaseException as error:
                self.close()
                # Now and then a new monitor refuses its own administrator for good (EPERM); the next one doesn't.
                if attempt == _ATTEMPTS - 1 or not isinstance(error, RuntimeError):
                    raise

    @property
    def url(self) -> str:
        return f"http://{self.access_key}:{self.secret_key}@127.0.0.1:{self.port}"

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()  # nobody will read its bytes again
        self._processes.clear()
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self) -> None:
        fsid = str(uuid.uuid4())
        for folder in ("mon", "osd"):
            (self._home / folder).mkdir()
        (self._home / "ceph.conf").write_text(
            _CONFIGURATION.format(fsid=fsid, home=self._home, mon_port=self._mon_port, port=self.port)
        )
        self._start_monitor(fsid)
        self._start_disk()
        self._serve("radosgw", "-n", "client.rgw")
        _until(self._answers, "radosgw does not answer")
        self._run(
            *("radosgw-admin", "user", "create", "--uid", "longshore", "--display-name", "longshore"),
            *("--access-key", self.access_key, "--secret-key", self.secret_key),
        )

    def _start_monitor(self, fsid: str) -> None:
        keyring, monmap = str(self._home / "keyring"), str(self._home / "monmap")
        make_key = ("--gen-key", "--cap", "mon", "allow *")
        self._run("ceph-authtool", "--create-keyring", keyring, "-n", "mon.", *make_key)
        self._run("ceph-authtool", keyring, "-n", "client.admin", *make_key, "--cap", "osd", "allow *")
        address = f"[v1:127.0.0.1:{self._mon_port}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._serve("ceph-mon", "-i", "a")

    def _start_disk(self) -> None:
        disk_id = str(uuid.uuid4())
        self._run("ceph", "osd", "new", disk_id)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk_id)
        self._serve("ceph-osd", "-i", "0")
        _until(self._disk_is_up, "the disk does not come up")

    def _disk_is_up(self) -> bool:
        with contextlib.suppress(RuntimeError):  # the monitor may not be ready to say
            return "1 up" in self._run("ceph", "osd", "stat")
        return False

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs[program], *self._configured(program), *arguments],
            env={**os.environ, "CEPH_CONF": str(self._home / "ceph.conf")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _serve(self, program: str, *arguments: str) -> None:
        process = ChildProcess(
            [self._programs[program], *self._configured(program), "-f", *arguments],
            name=program,
            log_path=self._home / f"{program}.out",
        )
        process.launch()
        self._processes.append(process)

    def _configured(self, program: str) -> list[str]:
        return [] if program in ("ceph-authtool", "monmaptool") else ["-c", str(self._home / "ceph.conf")]

    def _answers(self) -> bool:
        gateway = self._processes[-1]
        if not gateway.alive:
            raise RuntimeError(f"radosgw ended\n{gateway.log_tail()}")
        return listens(self.port)


def _until(is_so: Callable[[], bool], complaint: str) -> None:
    if not becomes(is_so, within=_START_SECONDS, every=0.3):
        raise RuntimeError(complaint)


@contextlib.contextmanager
def running() -> Iterator[Radosgw]:
    gateway = Radosgw()
    try:
        yield gateway
    finally:
        gateway.close()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    try:
        with running() as gateway:
            environment = {**os.environ, "TEST_S3_SERVER": gateway.url}
            return subprocess.run(arguments, env=environment, check=False).returncode
    except RadosgwMissing as missing:
        print(f"Ceph radosgw is not here ({missing}); on Debian: apt install ceph-mon ceph-osd radosgw ceph-common")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
