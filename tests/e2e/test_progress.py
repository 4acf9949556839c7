"""Live progress against the real server: WebSocket and server-sent events, restarts, two processes. Contract §2.4."""

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.server import ServerProcess
from tests.support.wire import Connection, Header, Http, WebSocket

MIB = 1024 * 1024
FIELDS = [
    *("type", "sequence", "time", "upload_id", "filename", "offset", "length"),
    *("percent", "bytes_per_second", "eta_seconds", "state"),
]

Message = dict[str, Any]


def watch(http: Http, query: str) -> WebSocket:
    return WebSocket.open(http, f"/ws/progress{query}")


def until(socket: WebSocket, is_last: Callable[[Message], bool], *, within: float = 20) -> list[Message]:
    """The messages up to the one that is wanted."""
    messages: list[Message] = []
    for message in socket.messages(within=within):
        messages.append(message)
        if is_last(message):
            return messages
    raise AssertionError(f"only this was told: {messages}")


def of_type(name: str) -> Callable[[Message], bool]:
    return lambda message: bool(message["type"] == name)


def check_order(messages: list[Message]) -> None:
    offsets = [message["offset"] for message in messages]
    sequences = [message["sequence"] for message in messages]
    assert offsets == sorted(offsets)
    assert sequences == sorted(set(sequences))
    for message in messages:
        lasts = message["type"] not in ("upload.snapshot", "upload.progress")
        assert list(message) == FIELDS + (["event_id"] if lasts else [])


def trickle(connection: Connection, content: bytes, *, pieces: int, pause: float) -> None:
    size = len(content) // pieces
    for at in range(0, len(content), size):
        connection.send(content[at : at + size])
        time.sleep(pause)


class TestWebSocket:
    def test_an_upload_is_watched_from_its_beginning_to_its_end(self, tus: Tus) -> None:
        target = tus.created(6 * MIB, metadata(filename="a.mov"))
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        first = until(socket, of_type("upload.snapshot"))[0]
        assert (first["offset"], first["length"], first["state"]) == (0, 6 * MIB, "PENDING")
        assert (first["filename"], first["upload_id"]) == ("a.mov", id_of(target))
        for number in range(6):
            assert tus.patch(target, number * MIB, os.urandom(MIB)).status == 204
        messages = [first, *until(socket, of_type("upload.completed"))]
        check_order(messages)
        last = messages[-1]
        assert (last["offset"], last["percent"], last["state"]) == (6 * MIB, 100.0, "COMPLETED")
        assert {message["type"] for message in messages[1:-1]} == {"upload.progress"}
        assert list(socket.messages(within=0.3)) == [], "something followed the end"
        socket.close()

    def test_every_offset_told_is_durable_by_then(self, tus: Tus) -> None:
        target = tus.created(8 * MIB)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        with tus.begin_patch(target, 0, 8 * MIB, b"") as connection:
            sending = threading.Thread(
                target=trickle, args=(connection, os.urandom(4 * MIB)), kwargs={"pieces": 40, "pause": 0.05}
            )
            sending.start()
            told = until(socket, lambda message: message["offset"] > MIB)[-1]
            sending.join()
        assert tus.offset(target) >= told["offset"]
        socket.close()

    def test_at_most_ten_a_second_and_the_newest_always_arrives(self, tus: Tus) -> None:
        target = tus.created(10**6)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        until(socket, of_type("upload.snapshot"))
        connection = tus.http.connect()
        times: list[float] = []
        offset = told = 0

        def patch_many() -> None:
            nonlocal offset
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                headers: list[Header] = [("Tus-Resumable", "1.0.0"), ("Upload-Offset", str(offset))]
                headers += [("Content-Type", "application/offset+octet-stream"), ("Content-Length", "100")]
                connection.send(connection.head_bytes("PATCH", target, headers) + b"x" * 100)
                assert connection.receive("PATCH").status == 204
                offset += 100

        patching = threading.Thread(target=patch_many)
        patching.start()
        for message in socket.messages(within=2.5):
            times.append(time.monotonic())
            told = message["offset"]
        patching.join()
        assert told == offset > 2_000
        assert max(sum(1 for other in times if 0 <= other - at <= 0.95) for at in times) <= 10
        assert len(times) >= 8
        connection.close()
        socket.close()

    def test_an_abort_is_told(self, tus: Tus) -> None:
        target = tus.created(100)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        until(socket, of_type("upload.snapshot"))
        assert tus.patch(target, 0, b"x" * 40).status == 204
        assert tus.delete(target).status == 204
        last = until(socket, of_type("upload.aborted"))[-1]
        assert (last["offset"], last["state"], last["eta_seconds"]) == (40, "ABORTED", None)
        socket.close()

    def test_an_expiry_is_told(self, start_server: StartServer) -> None:
        server = start_server(UPLOAD_TTL="1s", CLEANUP_INTERVAL="1s")
        tus = Tus(Http(server.port))
        target = tus.created(100)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        assert until(socket, of_type("upload.expired"))[-1]["state"] == "EXPIRED"
        socket.close()

    def test_an_empty_upload_is_whole_at_once(self, tus: Tus) -> None:
        socket = watch(tus.http, "")
        socket.send_json({"action": "subscribe", "scope": "mine"})
        socket.send_json({"action": "ping"})
        until(socket, of_type("pong"))
        target = tus.created(0)
        messages = until(
            socket, lambda message: message["upload_id"] == id_of(target) and message["type"] == "upload.completed"
        )
        assert (messages[-1]["length"], messages[-1]["percent"]) == (0, 100.0)
        socket.close()

    def test_a_length_that_is_told_late(self, tus: Tus) -> None:
        target = tus.created(None, ("Upload-Defer-Length", "1"))
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        first = until(socket, of_type("upload.snapshot"))[-1]
        assert (first["length"], first["percent"], first["eta_seconds"]) == (None, None, None)
        assert tus.patch(target, 0, b"x" * 40, ("Upload-Length", "80")).status == 204
        shown = until(socket, lambda message: message["offset"] == 40)[-1]
        assert (shown["length"], shown["percent"]) == (80, 50.0)
        socket.close()

    def test_a_page_watches_the_form_it_posts(self, http: Http) -> None:
        watch_id = str(uuid.uuid4())
        socket = watch(http, f"?upload_id={watch_id}")
        refusal = until(socket, of_type("error"))[-1]
        assert refusal == {"type": "error", "code": "not_found", "upload_id": watch_id}
        body = form(file_part(os.urandom(3 * MIB)))
        assert http.request("POST", f"/upload?upload_id={watch_id}", [MULTIPART], body).status == 200
        messages = until(socket, of_type("upload.completed"))
        check_order(messages)
        assert messages[0]["type"] == "upload.created"
        assert {message["upload_id"] for message in messages} == {watch_id}
        assert (messages[-1]["offset"], messages[-1]["length"]) == (3 * MIB, 3 * MIB)
        socket.close()

    def test_all_of_ones_own_at_once(self, tus: Tus) -> None:
        old = tus.created(100, metadata(filename="old"))
        socket = watch(tus.http, "")
        socket.send_json({"action": "subscribe", "scope": "mine"})
        until(socket, lambda message: message["upload_id"] == id_of(old))
        new = tus.created(100, metadata(filename="new"))
        shown = until(socket, lambda message: message["upload_id"] == id_of(new))[-1]
        assert (shown["type"], shown["filename"]) == ("upload.created", "new")
        socket.close()

    def test_a_completed_upload_has_a_snapshot(self, tus: Tus) -> None:
        target = tus.completed(b"x" * 100)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        shown = until(socket, of_type("upload.snapshot"))[-1]
        assert (shown["state"], shown["offset"], shown["percent"]) == ("COMPLETED", 100, 100.0)
        socket.close()

    def test_a_server_that_stops_closes_with_1001(self, start_server: StartServer) -> None:
        server = start_server()
        socket = watch(Http(server.port), "")
        server.signal(signal.SIGTERM)
        assert list(socket.messages(within=5)) == []
        assert socket.close_code == 1001
        socket.close()
        assert server.wait() == 0

    def test_after_a_kill_the_story_goes_on(self, start_server: StartServer) -> None:
        server = start_server()
        tus = Tus(Http(server.port))
        target = tus.created(100)
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        assert tus.patch(target, 0, b"x" * 60).status == 204
        before = until(socket, lambda message: message["offset"] == 60)
        server.restart()
        socket.close()
        socket = watch(tus.http, f"?upload_id={id_of(target)}")
        after = until(socket, of_type("upload.snapshot"))
        assert tus.patch(target, 60, b"x" * 40).status == 204
        after += until(socket, of_type("upload.completed"))
        check_order(before + after)
        socket.close()


class Events:
    """``/events``, read as a browser's EventSource does."""

    path = "/events"

    def __init__(self, http: Http, query: str, *headers: Header) -> None:
        self.connection = http.connect()
        # HTTP/1.0 has no chunks around the text
        lines = [f"{name}: {value!s}" for name, value in (*http.headers, ("Host", "localhost"), *headers)]
        self.connection.send("\r\n".join([f"GET {self.path}{query} HTTP/1.0", *lines, "", ""]).encode())
        head = self._take_until(b"\r\n\r\n", 10)
        assert b" 200 " in head.split(b"\r\n")[0], head
        assert b"text/event-stream" in head

    def events(self, *, within: float = 20) -> Iterator[tuple[str, int | None, Message]]:
        while True:
            fields = self.fields(within)
            if "data" in fields:
                id_ = int(fields["id"]) if "id" in fields else None
                yield fields["event"], id_, json.loads(fields["data"])

    def until(self, type_: str) -> list[tuple[str, int | None, Message]]:
        seen = []
        for event in self.events():
            seen.append(event)
            if event[0] == type_:
                break
        return seen

    def fields(self, within: float) -> dict[str, str]:
        lines = self._take_until(b"\n\n", within).decode().split("\n")
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def _take_until(self, mark: bytes, within: float) -> bytes:
        taken = b""
        while not taken.endswith(mark):
            taken += self.connection.take(1, within=within)
        return taken

    def close(self) -> None:
        self.connection.close()


class TestServerSentEvents:
    def test_the_same_story(self, tus: Tus) -> None:
        target = tus.created(3 * MIB)
        events = Events(tus.http, f"?upload_id={id_of(target)}")
        assert tus.patch(target, 0, os.urandom(3 * MIB)).status == 204
        told = events.until("upload.completed")
        assert told[0][0] == "upload.snapshot"
        assert all(type_ == message["type"] and id_ == message["sequence"] for type_, id_, message in told)
        check_order([message for _, _, message in told])
        events.close()

    def test_a_completion_that_was_missed_is_told_on_coming_back(self, tus: Tus) -> None:
        target = tus.created(100)
        query = f"?upload_id={id_of(target)}"
        events = Events(tus.http, query)
        last_id = events.until("upload.snapshot")[-1][1]
        events.close()
        assert tus.patch(target, 0, b"x" * 100).status == 204
        again = Events(tus.http, query, ("Last-Event-ID", str(last_id)))
        _, new_id, message = next(again.events())
        assert message["state"] == "COMPLETED"
        assert new_id is not None and last_id is not None and new_id > last_id
        again.close()

    def test_a_server_that_stops_ends_the_stream(self, start_server: StartServer) -> None:
        server = start_server()
        events = Events(Http(server.port), "?scope=mine")
        server.signal(signal.SIGTERM)
        assert events.connection.ends(within=5)
        assert server.wait() == 0


@pytest.fixture
def two_servers(
    postgres: PostgresCluster,
    server_postgres_url: str,
    start_server: StartServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ServerProcess, ServerProcess]:
    """Two processes on one database and one volume."""
    storage = tmp_path_factory.mktemp("shared") / "storage"
    settings = {"DATABASE_URL": server_postgres_url, "STORAGE_URL": f"volume://{storage}", "EVENTS_URL": "postgres://"}
    return start_server(**settings), start_server(**settings)


class TestTwoProcesses:
    def test_an_upload_at_one_is_watched_at_the_other(self, two_servers: tuple[ServerProcess, ServerProcess]) -> None:
        here, there = Tus(Http(two_servers[0].port)), Http(two_servers[1].port)
        socket = watch(there, "")
        socket.send_json({"action": "subscribe", "scope": "mine"})
        socket.send_json({"action": "ping"})
        until(socket, of_type("pong"))
        target = here.created(6 * MIB, metadata(filename="é.mov"))
        for number in range(6):
            assert here.patch(target, number * MIB, os.urandom(MIB)).status == 204
        messages = until(socket, of_type("upload.completed"))
        check_order(messages)
        assert messages[0]["type"] == "upload.created"
        assert {message["filename"] for message in messages} == {"é.mov"}
        assert messages[-1]["offset"] == 6 * MIB
        socket.close()

    def test_an_upload_that_moves_from_one_to_the_other_is_one_story(
        self, two_servers: tuple[ServerProcess, ServerProcess]
    ) -> None:
        first, second = (Tus(Http(server.port)) for server in two_servers)
        target = first.created(100)
        socket = watch(second.http, f"?upload_id={id_of(target)}")
        messages = until(socket, of_type("upload.snapshot"))
        for offset, tus in ((0, first), (20, second), (40, first), (60, second), (80, first)):
            assert tus.patch(target, offset, b"x" * 20).status == 204
        messages += until(socket, of_type("upload.completed"))
        check_order(messages)
        assert messages[-1]["offset"] == 100
        socket.close()

    def test_what_was_missed_while_the_events_were_cut_is_read(
        self, two_servers: tuple[ServerProcess, ServerProcess], postgres: PostgresCluster
    ) -> None:
        here, there = Tus(Http(two_servers[0].port)), Http(two_servers[1].port)
        done, going = here.created(100), here.created(100)
        socket = watch(there, f"?upload_id={id_of(done)}&upload_id={id_of(going)}")
        seen: list[Message] = []
        for message in socket.messages(within=5):
            seen.append(message)
            if len(seen) == 2:
                break
        for _ in range(5):  # whichever side loses its connection when, nothing may stay untold
            postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' OR query LIKE 'SELECT pg_notify%'"
            )
        assert here.patch(done, 0, b"x" * 100).status == 204
        assert here.patch(going, 0, b"x" * 70).status == 204
        missing = {id_of(done): ("COMPLETED", 100), id_of(going): ("RECEIVING", 70)}
        for message in socket.messages(within=15):
            if missing.get(message["upload_id"]) == (message["state"], message["offset"]):
                del missing[message["upload_id"]]
            if not missing:
                break
        assert missing == {}
        socket.close()
