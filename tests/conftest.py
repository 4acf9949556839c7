"""What every test may ask for: real PostgreSQL, S3, brokers and server, pytest-tornado's loop made fit for today."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tornado.ioloop
from xdist.scheduler import LoadFileScheduling

from tests.support.processes.nats import NatsMissing, NatsServer
from tests.support.processes.postgres import PostgresCluster, PostgresMissing
from tests.support.processes.rabbitmq import RabbitMissing, RabbitServer
from tests.support.processes.s3 import S3Missing, S3Server
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require

# What takes longest begins first: so no worker is left alone with it in the end. The order of all else is pytest's.
LONGEST = (
    "e2e/browser/test_recovery.py",
    "e2e/browser/test_upload.py",
    "e2e/test_slow_clients.py",
    "e2e/test_s3.py",
    "contract/test_upload_lock_ranges.py",
    "chaos/test_two_servers.py",
    "chaos/test_workers.py",
    "chaos/test_databases.py",
    "adapters/http/test_exchange.py",
    "contract/test_upload_lock.py",
    "e2e/test_form_upload.py",
    "e2e/test_resumable_bodies.py",
    "adapters/test_startup.py",
    "adapters/sql/test_migrations.py",
    "chaos/test_kill.py",
    "chaos/test_clock.py",
    "e2e/test_chunk_api_at_scale.py",
    "adapters/test_s3.py",
    "adapters/http/test_keep_alive.py",
    "e2e/test_tus_concurrency.py",
    "e2e/test_tus_core.py",
    "contract/test_chunk_storage.py",
    "e2e/test_cli.py",
    "chaos/test_deletions.py",
    "e2e/test_progress.py",
    "e2e/test_tus_concatenation.py",
)

# What shares a browser or a broker, each of which takes seconds to start, has one worker do it in one go.
TOGETHER = {
    "e2e/browser/test_recovery.py": (
        "e2e/browser/test_trouble.py",
        "e2e/browser/test_choosing.py",
        "e2e/browser/test_pictures.py",
        "e2e/browser/test_sign_in.py",
        "e2e/browser/test_element.py",
    ),
    "e2e/browser/test_upload.py": (
        "e2e/browser/test_access.py",
        "e2e/browser/test_tabs.py",
        "e2e/browser/test_crowd.py",
        "e2e/browser/test_stored_files.py",
        "e2e/browser/test_media.py",
    ),
    "chaos/test_workers.py": ("contract/test_job_carrier.py",),
}
_FIRST = {f"tests/{name}": f"tests/{first}" for first, others in TOGETHER.items() for name in others}


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests stay on one worker, and so do those of files that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return _FIRST.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nine thousand tests are no garbage: it is looked for neither while they are collected nor among them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = [file for name in LONGEST for file in (name, *TOGETHER.get(name, ()))]
    rank = {Path(__file__).parent / name: place for place, name in enumerate(places)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture
async def io_loop() -> tornado.ioloop.IOLoop:
    """pytest-tornado's fixture, on the loop pytest-asyncio gives the test.

    Its own makes a second loop by calls Tornado has deprecated: a coroutine test would then wait on one loop
    for a server that runs on the other.
    """
    return tornado.ioloop.IOLoop.current()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """One cluster per test process (so one per xdist worker). A test that stops it starts it again."""
    try:
        cluster = PostgresCluster()
    except PostgresMissing as missing:
        require("PostgreSQL", str(missing))
    with cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: PostgresCluster) -> Iterator[str]:
    """The URL of a database nobody has used before."""
    postgres.start()  # an earlier test may have left it stopped
    url = postgres.create_database()
    yield url
    postgres.start()
    postgres.drop_database(url)


@pytest.fixture
def server_postgres_url(postgres: PostgresCluster) -> Iterator[str]:
    """As ``postgres_url``, with the tables in it: for servers whose first start is not what is tested."""
    postgres.start()
    url = postgres.lend_database()
    yield url
    postgres.start()
    postgres.take_back(url)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One S3 server per test process; a bucket of it for each test that wants one."""
    try:
        server = S3Server()
    except S3Missing as missing:
        require("S3", str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One NATS server per test process. A test that stops it starts it again."""
    try:
        server = NatsServer()
    except NatsMissing as missing:
        require("NATS", str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def rabbit_server() -> Iterator[RabbitServer]:
    """One RabbitMQ per test process. A test that stops it starts it again."""
    try:
        server = RabbitServer()
    except RabbitMissing as missing:
        require("RabbitMQ", str(missing))
    with server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A healthy server on SQLite and a volume in ``tmp_path``."""
    with ServerProcess(tmp_path / "data") as process:
        yield process
