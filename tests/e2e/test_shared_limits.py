"""What one client may ask of two servers on one database."""

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.processes.server import ServerProcess
from tests.support.until import becomes
from tests.support.wire import Http

REQUESTS = 20
LIST = "/uploads?state=open"
_addresses = count(1)


@pytest.fixture(params=["sqlite", "postgres"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Two servers behind a gateway, on one database; they know of one another."""
    env = {
        "AUTH_MODE": "gateway",
        "TRUSTED_PROXIES": "127.0.0.1",
        "RATE_LIMIT": f"{REQUESTS}/hour",
        "LINK_SECRET": "0b1c2d3e4f5061728394a5b6c7d8e9f0",
    }
    if request.param == "postgres":
        env["DATABASE_URL"] = str(request.getfixturevalue("server_postgres_url"))
    with ExitStack() as stack:
        servers = [stack.enter_context(ServerProcess(tmp_path, env, log_path=tmp_path / f"{one}.log")) for one in "ab"]
        assert becomes(lambda: share(servers))
        yield servers


def share(servers: list[ServerProcess]) -> bool:
    """Whether what one of them has counted is known to the other one."""
    clients = clients_of(servers)
    return [left_of(client) for client in clients] == [REQUESTS - 1, REQUESTS - 2]


def clients_of(servers: list[ServerProcess], *, user: str = "", address: str = "") -> list[Http]:
    """One client of all of them."""
    who = ("X-User-Id", user) if user else ("X-Guest-Id", str(uuid.uuid4()))
    address = address or f"203.0.113.{next(_addresses)}"
    return [Http(server.port).with_headers(who, ("X-Forwarded-For", address)) for server in servers]


def left_of(http: Http) -> int:
    told = http.get(LIST).header("RateLimit") or ""
    return int(told.partition(";r=")[2].partition(";")[0])


def test_together_they_let_no_more_pass_than_one(pair: list[ServerProcess]) -> None:
    one, other = clients_of(pair)
    answers = [(one, other)[number % 2].get(LIST) for number in range(REQUESTS + 4)]
    assert [answer.status for answer in answers] == [200] * REQUESTS + [429] * 4
    assert [answer.header("RateLimit-Policy") for answer in answers] == [f'"default";q={REQUESTS};w=3600'] * 24
    assert [answer.header("RateLimit") for answer in answers[REQUESTS - 1 :]] == ['"default";r=0;t=3600'] * 5
    assert int(answers[-1].header("Retry-After") or 0) in range(3500, 3601)
    # The same when all come at once, whoever they say they are beside their address.
    guests = [guest for _ in range(REQUESTS) for guest in clients_of(pair, address="192.0.2.1")]
    with ThreadPoolExecutor(8) as threads:
        passed = Counter(answer.status for answer in threads.map(lambda guest: guest.get(LIST), guests))
    assert passed == {200: REQUESTS, 429: REQUESTS}
    # A user is one wherever they are.
    user = uuid.uuid4().hex[:24]
    clients = [client for _ in range(REQUESTS) for client in clients_of(pair, user=user)]
    assert Counter(client.get(LIST).status for client in clients) == {200: REQUESTS, 429: REQUESTS}
    # Nobody waits for the dead.
    pair[1].kill()
    (client,) = clients_of(pair[:1])
    assert [client.get(LIST).status for _ in range(REQUESTS + 1)] == [200] * REQUESTS + [429]
    assert pair[0].terminate() == 0
