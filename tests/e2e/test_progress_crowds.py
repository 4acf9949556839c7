"""Many who begin to watch at once, on the real server: what is read for them is counted. Contract §2.4, §1 (limits)."""

import json
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, as_user
from tests.e2e.test_progress import Events, Message
from tests.e2e.tus import Tus, id_of
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess
from tests.support.wire import Header, Http, WebSocket

ADMIN: Header = ("X-User-Scope", "admin")
_COUNTING = str(ROOT / "tests" / "support" / "statements")


@dataclass(frozen=True)
class Counted:
    """A server behind a gateway that writes its statements down."""

    http: Http
    statements: Path
    server: ServerProcess

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """What is sent within comes to it all at once, behind it."""
        self.server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.signal(signal.SIGCONT)

    @property
    def anna(self) -> Tus:
        return Tus(as_user(self.http, ANNA))

    @property
    def bert(self) -> Tus:
        return Tus(as_user(self.http, BERT))

    def reads(self, of: str) -> int:
        """Statements so far that have ``of`` in them."""
        return sum(of in line for line in self.statements.read_text().splitlines())


@pytest.fixture(scope="module")
def counted(start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    statements = tmp_path_factory.mktemp("counted") / "statements"
    server = start_module_server(**GATEWAY, PYTHONPATH=_COUNTING, STATEMENTS=str(statements))
    return Counted(Http(server.port), statements, server)


WATCHED = "watch_id IN"
LISTED = "ORDER BY uploads.created_at DESC"


def query(ids: list[str]) -> str:
    return "?" + "&".join(f"upload_id={id_}" for id_ in ids)


@contextmanager
def crowd(askers: list[Http], target: str) -> Iterator[list[WebSocket]]:
    """One socket for each, all asked for before the first is answered."""
    asked = [WebSocket.asked(http, target) for http in askers]
    try:
        yield [socket.opened() for socket in asked]
    finally:
        for socket in asked:
            socket.close()


def first(count: int, socket: WebSocket) -> list[Message]:
    told: list[Message] = []
    for message in socket.messages(within=20):
        told.append(message)
        if len(told) == count:
            return told
    raise AssertionError(f"only {len(told)} of {count} came; closed with {socket.close_code}")


class TestReads:
    def test_two_hundred_sockets_of_twenty_uploads_make_few_reads(self, counted: Counted) -> None:
        anna, ids = counted.anna, [id_of(counted.anna.created(100)) for _ in range(19)]
        ids.append(id_of(anna.completed(b"x" * 100)))
        before = counted.reads(WATCHED)
        with crowd([anna.http] * 200, f"/ws/progress{query(ids)}") as sockets:
            for socket in sockets:
                told = first(20, socket)
                assert {message["upload_id"]: message["state"] for message in told} == {
                    **dict.fromkeys(ids, "PENDING"),
                    ids[-1]: "COMPLETED",
                }
            assert anna.patch(f"/uploads/{ids[0]}", 0, b"x" * 40).status == 204
            assert {first(1, socket)[0]["offset"] for socket in sockets} == {40}
        assert 1 <= counted.reads(WATCHED) - before <= 10

    def test_each_is_asked_for_their_own_eyes(self, counted: Counted) -> None:
        annas, berts, unknown = id_of(counted.anna.created(1)), id_of(counted.bert.created(2)), uuid.uuid4().hex
        ids = [annas, berts, unknown]
        admin = counted.anna.http.with_headers(ADMIN)
        before = counted.reads(WATCHED)
        with crowd([counted.anna.http, counted.bert.http, admin] * 20, f"/ws/progress{query(ids)}") as sockets:
            shown = [first(3, socket) for socket in sockets]
        sees = [{annas}, {berts}, {annas, berts}]
        for number, told in enumerate(shown):
            found = {message["upload_id"] for message in told if message["type"] == "upload.snapshot"}
            assert found == sees[number % 3]
            assert [message for message in told if message["type"] == "error"] == [
                {"type": "error", "code": "not_found", "upload_id": id_} for id_ in ids if id_ not in found
            ]
        assert counted.reads(WATCHED) - before <= 40  # what is not there is looked for as long as somebody comes

    @pytest.mark.parametrize("asks", ["by query", "by message"])
    def test_all_of_ones_own(self, counted: Counted, asks: str) -> None:
        http = as_user(counted.http, str(uuid.uuid4()))
        ids = {id_of(Tus(http).created(9)) for _ in range(5)}
        before = counted.reads(LISTED)
        with crowd([http] * 50, "/ws/progress" + ("?scope=mine" if asks == "by query" else "")) as sockets:
            with counted.held_up():
                for socket in sockets if asks == "by message" else ():
                    socket.send_json({"action": "subscribe", "scope": "mine"})
            for socket in sockets:
                assert {message["upload_id"] for message in first(5, socket)} == ids
        assert 1 <= counted.reads(LISTED) - before <= 25

    def test_event_streams(self, counted: Counted) -> None:
        ids = [id_of(counted.anna.created(9)) for _ in range(5)]
        before = counted.reads(WATCHED)
        streams = [Events(counted.anna.http, query(ids)) for _ in range(20)]
        for stream in streams:
            events = stream.events()
            assert {next(events)[2]["upload_id"] for _ in ids} == set(ids)
            stream.close()
        assert 1 <= counted.reads(WATCHED) - before <= 10


@pytest.fixture(scope="module")
def ids(counted: Counted) -> list[str]:
    """The last one is an upload's; the others are such as a page chooses for its forms."""
    return [*(str(uuid.uuid4()) for _ in range(999)), id_of(counted.anna.created(9))]


class TestAThousandIds:
    """So many are promised (docs/http.md), whichever way one asks."""

    def check(self, ids: list[str], told: list[Message]) -> None:
        assert {message["upload_id"] for message in told} == set(ids)
        assert [message["upload_id"] for message in told if message["type"] == "upload.snapshot"] == [ids[-1]]

    def test_in_the_query_of_a_socket(self, counted: Counted, ids: list[str]) -> None:
        socket = WebSocket.open(counted.anna.http, f"/ws/progress{query(ids)}")
        self.check(ids, first(1000, socket))
        socket.close()

    def test_in_one_message(self, counted: Counted, ids: list[str]) -> None:
        socket = WebSocket.open(counted.anna.http, "/ws/progress")
        socket.send_json({"action": "subscribe", "upload_ids": ids})
        self.check(ids, first(1000, socket))
        socket.send_json({"action": "subscribe", "upload_ids": ["one-more"]})
        [error] = first(1, socket)
        assert (error["type"], error["code"]) == ("error", "too_many_watched")
        socket.send_json({"action": "unsubscribe", "upload_ids": ids})
        socket.send_json({"action": "subscribe", "upload_ids": [f"{number:064}" for number in range(1000)]})
        assert len(first(1000, socket)) == 1000
        socket.close()

    def test_in_the_query_of_an_event_stream(self, counted: Counted, ids: list[str]) -> None:
        stream = Events(counted.anna.http, query(ids))
        events = stream.events()
        self.check(ids, [next(events)[2] for _ in ids])
        stream.close()

    @pytest.mark.parametrize("target", ["/ws/progress", "/events"])
    def test_one_more_is_refused_by_a_code_of_its_own(self, counted: Counted, ids: list[str], target: str) -> None:
        upgrade: list[Header] = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        upgrade += [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
        for more, status in ((["one-more"], 400), (ids[:10], 101 if target == "/ws/progress" else 200)):
            with counted.anna.http.connect() as connection:
                head = upgrade if target == "/ws/progress" else []
                connection.send_head("GET", target + query([*ids, *more]), [*counted.anna.http.headers, *head])
                answer = connection.receive_head()
                assert answer.status == status
                if status == 400:
                    body = connection.take(int(answer.header("Content-Length") or 0))
                    assert json.loads(body)["code"] == "too_many_watched"
