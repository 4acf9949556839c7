"""Three servers behind nginx and two workers on one PostgreSQL, one bucket and one NATS; database and bucket can be cut
off, and any process of ours be killed.
"""

import contextlib
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.outbound.s3.address import BucketAddress
from tests.e2e.cluster import settings
from tests.support.ports import free_port
from tests.support.processes.cuttable import CuttableLine
from tests.support.processes.nats import NatsServer
from tests.support.processes.nginx import Nginx
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.process import ROOT, STARTER, ChildProcess
from tests.support.processes.radosgw import Radosgw, RadosgwMissing
from tests.support.processes.s3 import S3Server
from tests.support.processes.server import ServerProcess, clean_environment

_SERVERS, _WORKERS = 3, 2


@dataclass
class Cluster:
    """``url``: nginx's. ``lines``: to the database and to the bucket."""

    url: str
    servers: list[ServerProcess]
    workers: list[ChildProcess]
    lines: dict[str, CuttableLine]
    env: dict[str, str]
    postgres: PostgresCluster
    s3: S3Server
    address: BucketAddress
    storage: str
    kills: Counter[str]
    ended: Counter[str]
    """Processes that ended by themselves, with what; they are started again as by systemd."""
    _ended_at: dict[str, float] = field(default_factory=dict)

    @property
    def processes(self) -> dict[str, ChildProcess]:
        named: dict[str, ChildProcess] = {f"server {number}": each for number, each in enumerate(self.servers, 1)}
        return named | {f"worker {number}": each for number, each in enumerate(self.workers, 1)}

    def victims(self, draw: random.Random) -> Iterator[str]:
        """Everybody in turn, in another order each time."""
        while True:
            yield from draw.sample(list(self.processes), _SERVERS + _WORKERS)

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.kill()
        self.kills[name.split(maxsplit=1)[0]] += 1
        _launch(process)

    def start_ended(self, *, after: float = 2.0) -> None:
        """What has ended by itself, so many seconds ago (``RestartSec``)."""
        for name, process in self.processes.items():
            if process.alive:
                self._ended_at.pop(name, None)
            elif time.monotonic() >= self._ended_at.setdefault(name, time.monotonic()) + after:
                self.ended[f"{name.split()[0]} with {process.exit_code}"] += 1
                _launch(process)

    def is_whole(self) -> None:
        """Return once all is up and well."""
        for line in self.lines.values():
            line.becomes("flows")
        self.start_ended(after=0)
        for server in self.servers:
            server.wait_until_healthy(60)

    def multiparts(self) -> list[str]:
        return self.s3.multiparts(self.address)


def _launch(process: ChildProcess) -> None:
    if isinstance(process, ServerProcess):
        process.start(wait=False)
    else:
        process.launch()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(PostgresCluster())
        nats = stack.enter_context(NatsServer())
        s3, storage = _bucket_service(stack)
        address = s3.create_bucket()
        lines = {
            "database": stack.enter_context(CuttableLine(postgres.port)),
            "bucket": stack.enter_context(CuttableLine(int(s3.endpoint.rpartition(":")[2]))),
        }
        database_url = postgres.lay_out_database().replace(f":{postgres.port}/", f":{lines['database'].port}/")
        far_end = replace(address, endpoint=f"http://127.0.0.1:{lines['bucket'].port}")
        port = free_port()
        env = {**settings(s3.settings(far_end), database_url, nats), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        servers = [ServerProcess(folder / f"server-{number}", env) for number in range(_SERVERS)]
        workers = [_worker(folder / f"worker-{number}", env) for number in range(_WORKERS)]
        cluster = Cluster(
            url=f"http://127.0.0.1:{port}",
            servers=servers,
            workers=workers,
            lines=lines,
            env=env,
            postgres=postgres,
            s3=s3,
            address=address,
            storage=storage,
            kills=Counter(),
            ended=Counter(),
        )
        for process in (*servers, *workers):
            stack.enter_context(process)
        stack.enter_context(_nginx(folder, port, servers))
        yield cluster


def _worker(folder: Path, env: dict[str, str]) -> ChildProcess:
    folder.mkdir()
    environment = clean_environment(folder, env)
    command = [sys.executable, str(STARTER), "worker"]
    return ChildProcess(command, name="the worker", cwd=folder, environment=environment, log_path=folder / "worker.log")


def _bucket_service(stack: contextlib.ExitStack) -> tuple[S3Server, str]:
    """A Ceph radosgw, else what the tests have."""
    if "TEST_S3_SERVER" not in os.environ:
        with contextlib.suppress(RadosgwMissing):
            gateway = Radosgw()
            stack.callback(gateway.close)
            os.environ["TEST_S3_SERVER"] = gateway.url
            stack.callback(os.environ.pop, "TEST_S3_SERVER")
            return stack.enter_context(S3Server()), "Ceph radosgw"
        return stack.enter_context(S3Server()), "rclone serve s3"
    return stack.enter_context(S3Server()), "the S3 service that TEST_S3_SERVER names"


def _nginx(folder: Path, port: int, servers: list[ServerProcess]) -> Nginx:
    """As ``deploy/nginx.conf`` has it, before several servers and without TLS; clients say themselves who they are."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    one = next(line for line in text.splitlines(keepends=True) if "127.0.0.1:8888" in line)
    identity = "x-user-id", "x-guest-id", "x-user-scope"
    lines = [line for line in text.splitlines(keepends=True) if not any(f" {name} " in line for name in identity)]
    text = "".join(lines)
    for old, new in (
        (one, "".join(one.replace("8888", str(server.port)) for server in servers)),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("server_name files.example.org", "server_name 127.0.0.1"),
        ("/etc/nginx/certificate.pem", f"{folder}/certificate.pem"),
        ("/etc/nginx/key.pem", f"{folder}/key.pem"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    nginx = Nginx(folder)
    nginx.site(port, text)
    return nginx
