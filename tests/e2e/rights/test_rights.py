"""Two users, a guest, an administrator and a stranger, over every verb on every resource that the server has.

What each is answered stands in ``table.py``; which routes there are is asked of the server's own parts, so that a new
one without a row fails.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.engine.handlers import Handler
from infrastructure.capabilities import CAPABILITIES
from infrastructure.container import container_of
from infrastructure.settings import Settings
from tests.e2e.conftest import StartServer
from tests.e2e.rights.people import People, Things, by_gateway, by_tokens, in_the_open, of_a_guest
from tests.e2e.rights.table import ROWS, Row
from tests.e2e.test_owners import GATEWAY, UNKNOWN
from tests.e2e.test_tokens import JWT
from tests.support.wire import Header, Http, WebSocket

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MODES: Mapping[str, tuple[Mapping[str, str], Callable[[Http], People]]] = {
    "jwt": (JWT, by_tokens),
    "gateway": (GATEWAY, by_gateway),
    "gateway, a guest's": (GATEWAY, of_a_guest),
    "open": ({}, in_the_open),
}
SOCKETS = ("/ws/", "/image/upload")
STREAMS = ("/events", "/notifications/")
_ANY_ID = dict.fromkeys(
    ("upload", "part", "file", "binned", "archive", "chunks", "image", "instruction", "detail", "output"), UNKNOWN
)


@dataclass(frozen=True)
class Routes:
    """What is served, in the order in which a path is looked up."""

    resources: Sequence[Resource]
    handlers: Sequence[Handler]

    def of(self, path: str) -> str:
        """The pattern that takes it; empty for none."""
        path = path.partition("?")[0]
        found = (each.pattern.pattern for each in self.resources if each.pattern.fullmatch(path))
        return next(found, "") or next((each[0] for each in self.handlers if re.fullmatch(each[0], path)), "")


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Routes:
    return asyncio.run(_routes(tmp_path_factory.mktemp("routes")))


async def _routes(folder: Path) -> Routes:
    container = container_of(Settings.model_validate({"data_dir": folder}))
    resources = [resource for capability in CAPABILITIES for resource in capability.resources(container)]
    handlers = [handler for capability in CAPABILITIES for handler in capability.handlers(container)]
    await container.database().close()
    return Routes(resources, handlers)


@pytest.fixture(scope="module")
def http_of(start_module_server: StartServer) -> Callable[[frozenset[tuple[str, str]]], Http]:
    return cache(lambda settings: Http(start_module_server(**dict(settings)).port))


@pytest.fixture(scope="module", params=MODES)
def people(request: pytest.FixtureRequest, http_of: Callable[[frozenset[tuple[str, str]]], Http]) -> People:
    settings, seen = MODES[request.param]
    return seen(http_of(frozenset(settings.items())))


@pytest.fixture(scope="module")
def things(people: People) -> Things:
    return Things(people)


def callers(people: People, row: Row) -> Iterator[tuple[str, Http, int]]:
    """Who asks, and the status each is told: first who may not."""
    owner, other, stranger, admin = row.told
    if people.are_one and row.in_the_open is not None:
        owner = row.in_the_open
    is_one = people.are_one and not row.wants_a_name
    yield "a stranger", people.stranger, owner if is_one else stranger
    for name, http in people.others.items():
        yield name, http, owner if is_one else other
    yield "an administrator", people.admin, owner if is_one else admin
    yield "the owner", people.owner, owner


def asked(http: Http, method: str, target: str, headers: Sequence[Header], body: bytes | None) -> tuple[int, bytes]:
    """The status, and what of the answer is there at once."""
    if target.startswith(SOCKETS):
        socket = WebSocket.asked(http, target)
        status, told = socket.connection.receive_head().status, b""
        if status == 101 and target.startswith("/ws/"):
            told = str(next(socket.messages(within=5))).encode()
        socket.close()
        return status, told
    if target.startswith(STREAMS) and method == "GET":
        with http.connect() as connection:
            connection.send_head(method, target, [*http.headers, *headers])
            status = connection.receive_head().status
            return status, connection.drain(seconds=0.15)
    answer = http.request(method, target, headers, body)
    return answer.status, answer.body + str(answer.headers).encode()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.methods} {row.path}")
def test_everybody_is_answered_as_the_table_has_it(people: People, things: Things, row: Row) -> None:
    told = []
    for method in row.methods.split():
        for name, http, wanted in callers(people, row):
            if row.spends and wanted < 400:
                things.renew()
            status, body = asked(http, *row.filled(method, things))
            if status != wanted:
                told.append((method, name, status, wanted, body[:300]))
            if not people.are_one and not row.is_a_key and name not in ("the owner", "an administrator"):
                assert people.mark.encode() not in body, (method, name)
    if row.spends:
        things.renew()
    assert told == []


def streams(things: Things) -> Sequence[tuple[str, bytes, bytes, bool]]:
    """A target, what its owner is told there and what others are, and whether a name is wanted in every mode."""
    upload, _ = things["upload"], things["output"]
    return (
        (f"/ws/progress?upload_id={upload}", b"upload.snapshot", b"not_found", False),
        (f"/events?upload_id={upload}", b"upload.snapshot", b"not_found", False),
        ("/notifications/sse?last_event_id=none", b"event: instruction.detail", b"", True),
    )


@pytest.mark.parametrize("by_ticket", [False, True])
def test_what_has_no_end_tells_each_their_own(people: People, things: Things, by_ticket: bool) -> None:
    for target, own, foreign, wants_a_name in streams(things):
        is_one = people.are_one and not wants_a_name
        for http in (people.owner, *people.others.values()):
            shown, who = target, http
            if by_ticket:
                if people.are_one and wants_a_name:
                    continue  # there it is the name that is asked for
                ticket = http.request("POST", "/tickets").json()["ticket"]
                shown, who = f"{target}&ticket={ticket}", people.stranger
            status, told = asked(who, "GET", shown, [], None)
            assert status in (101, 200)
            if http is people.owner or is_one:
                assert own in told, shown
            else:
                assert foreign in told and own not in told and people.mark.encode() not in told, shown


def test_every_route_has_a_row(routes: Routes) -> None:
    served = {(each.pattern.pattern, method) for each in routes.resources for method in each.methods}
    served |= {(pattern, "GET") for pattern, *_ in routes.handlers}
    in_rows = {(routes.of(row.path.format_map(_ANY_ID)), method) for row in ROWS for method in row.methods.split()}
    assert served - in_rows == set(), "who may ask these? tests/e2e/rights/table.py has no row for them"
    assert ("", "GET") not in in_rows


def test_no_other_verb_is_known_anywhere(people: People, routes: Routes) -> None:
    told = []
    for row in ROWS:
        path = row.path.format_map(_ANY_ID)
        resource = next((each for each in routes.resources if each.pattern.pattern == routes.of(path)), None)
        if resource is None or path == "*":
            continue
        is_asked = not people.are_one and not (resource.is_public or resource.admits_strangers)
        for method in sorted(set(VERBS) - set(resource.methods)):
            for http in (people.owner, people.stranger):
                status = http.request(method, path).status
                if status != (401 if http is people.stranger and is_asked else 405):
                    told.append((method, path, status))
    assert told == []


def test_of_what_has_no_end_there_is_nothing_but_to_get_it(people: People) -> None:
    for target in ("/events", "/notifications/sse", "/ws/progress", "/image/upload"):
        for method in sorted(set(VERBS) - {"GET", "HEAD"}):
            assert people.owner.request(method, f"{target}?scope=mine").status == 405, (method, target)
