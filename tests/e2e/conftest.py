"""Real servers for these tests: one per module where tests don't disturb each other, else one to order.

Which places a test runs on
---------------------------
``tus``, ``http`` and ``module_server`` are on SQLite and a volume. That is right for all that is settled before bytes
or rows are touched: syntax, headers, versions, refusals, routing, conditions, how an answer is dressed.
What a test proves about bytes or rows is marked, and runs with the same fixtures on a server at each of the places:

* ``@everywhere``: SQLite and PostgreSQL, each over a volume and over S3; for bytes that are stored, put together, read
  back or removed.
* ``@on_each_database``: SQLite and PostgreSQL, over a volume; for what only the rows decide: locks, names, lists.

``start_server`` and ``start_module_server`` make servers to order, for other settings and for those that are killed.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.e2e.tus import Tus
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.s3 import S3Server
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

# A module's tests share one client address and leave uploads open; the budgets have tests of their own.
ROOMY = {"RATE_LIMIT": "1000000/minute", "QUOTA_OPEN_UPLOADS": "100000"}


class StartServer(Protocol):
    """Starts a server with these settings; it is killed when the requesting test (or module) is over."""

    def __call__(self, **env: str) -> ServerProcess: ...


@pytest.fixture(scope="module")
def start_module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    with _starter(lambda: tmp_path_factory.mktemp("server")) as start:
        yield start


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    with _starter(lambda: tmp_path_factory.mktemp("server")) as start:
        yield start


_NEAREST = "sqlite-volume"
everywhere = pytest.mark.places(_NEAREST, "postgres-volume", "sqlite-s3", "postgres-s3")
on_each_database = pytest.mark.places(_NEAREST, "postgres-volume")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("places")
    if marked is not None:
        assert "module_server" in metafunc.fixturenames, f"{metafunc.definition.nodeid} has no server to place"
        metafunc.parametrize("module_server", marked.args, indirect=True, scope="module")


@pytest.fixture(scope="module")
def module_server(request: pytest.FixtureRequest, server_at: Callable[[str], ServerProcess]) -> ServerProcess:
    """A server with default settings (and room for many uploads), shared by the module's tests."""
    return server_at(getattr(request, "param", _NEAREST))


@pytest.fixture(scope="module")
def server_at(request: pytest.FixtureRequest, start_module_server: StartServer) -> Callable[[str], ServerProcess]:
    """The module's server at that place; it comes when it is first asked for, and stays."""
    return functools.cache(lambda place: start_module_server(**settings_of(place, request)))


def settings_of(place: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """What makes a server keep its records and bytes there; downloads come through it."""
    database, _, storage = place.partition("-")
    env = {}
    if database == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        cluster.start()  # an earlier test may have left it stopped
        env["DATABASE_URL"] = cluster.lay_out_database()
    if storage == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        env |= s3.settings(s3.create_bucket()) | {"S3_PROXY": "1"}
    return env


@pytest.fixture(scope="module")
def http(module_server: ServerProcess) -> Http:
    return Http(module_server.port)


@pytest.fixture(scope="module")
def tus(http: Http) -> Tus:
    return Tus(http)


@contextlib.contextmanager
def _starter(new_folder: Callable[[], Path]) -> Iterator[StartServer]:
    with contextlib.ExitStack() as servers:

        def start(**env: str) -> ServerProcess:
            return servers.enter_context(ServerProcess(new_folder(), {**ROOMY, **env}))

        yield start
