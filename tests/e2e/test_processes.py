"""``serve --processes 2`` on one PostgreSQL and one volume: who watches at one sees what comes to the other, and nobody
loses anything, or notices much, when one of them is killed or all are replaced."""

import http.client
import os
import signal
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_metrics import one, series_of
from tests.e2e.test_progress import check_order, of_type
from tests.e2e.test_progress import until as told_until
from tests.e2e.tus import BYTES, VERSION, Tus, id_of
from tests.support.ports import free_port
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import until
from tests.support.wire import Connection, Http, WebSocket

_CHUNK = 20_000


@pytest.fixture(scope="module")
def the_server(start_module_server: StartServer, postgres: PostgresCluster) -> ServerProcess:
    postgres.start()
    return start_module_server(DATABASE_URL=postgres.lay_out_database(), PROCESSES="2", WORKERS_INLINE="0")


@pytest.fixture
def server(the_server: ServerProcess) -> ServerProcess:
    """Both of its processes serve."""
    if not the_server.alive:
        the_server.start()
    until(lambda: len(processes_of(the_server)) == 2, "they do not all serve", within=20)
    return the_server


def processes_of(server: ServerProcess) -> list[int]:
    """Those that serve: they have said so, and print the figures that they have in common."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(child) for child in children] if "tus endpoint" in server.log() else []


def a_connection_to_each(server: ServerProcess) -> list[Connection]:
    """Two that are kept, one to each process; which it is shows in the names of requests."""
    found: dict[str, Connection] = {}

    def have_two() -> bool:
        connection = Http(server.port).connect()
        connection.send_head("GET", "/health")
        found.setdefault(str(connection.receive().header("X-Request-Id")).partition("-")[0], connection)
        return len(found) >= 2

    until(have_two)
    return list(found.values())


def append(connection: Connection, target: str, at: int, data: bytes) -> None:
    headers = [VERSION, BYTES, ("Upload-Offset", str(at)), ("Content-Length", str(len(data)))]
    connection.send(connection.head_bytes("PATCH", target, headers) + data)
    assert connection.receive("PATCH").status == 204


def test_who_watches_at_one_sees_what_comes_to_the_other(server: ServerProcess) -> None:
    here, there = a_connection_to_each(server)
    http = Http(server.port)
    target = Tus(http).created(5 * _CHUNK)
    watching = WebSocket.asked(http, f"/ws/progress?upload_id={id_of(target)}", connection=there).opened()
    messages = told_until(watching, of_type("upload.snapshot"))
    for number in range(5):
        append(here, target, number * _CHUNK, os.urandom(_CHUNK))
    messages += told_until(watching, of_type("upload.completed"))
    check_order(messages)
    assert messages[-1]["offset"] == 5 * _CHUNK
    here.close()
    watching.close()


def test_connections_are_spread_over_all(server: ServerProcess) -> None:
    connections, names = list[Connection](), Counter[str]()
    for _ in range(16):
        connections.append(connection := Http(server.port).connect())
        connection.send_head("GET", "/health")
        names[str(connection.receive().header("X-Request-Id")).partition("-")[0]] += 1
    for connection in connections:
        connection.close()
    assert len(names) == 2 and min(names.values()) >= 3, names


def test_one_that_stands_still_keeps_nobody_waiting(server: ServerProcess) -> None:
    stopped, _ = processes_of(server)
    os.kill(stopped, signal.SIGSTOP)
    try:
        for _ in range(4):
            assert Http(server.port).request("GET", "/health", within=2).status == 200
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_monitor_is_told_of_all_processes_whichever_it_asks(server: ServerProcess) -> None:
    here, there = a_connection_to_each(server)
    http = Http(server.port)
    before = series_of(server)
    for connection in (here, there):
        target = Tus(http).created(_CHUNK)
        append(connection, target, 0, bytes(_CHUNK))
        connection.close()

    def grown(process: str) -> float:
        name = "longshore_received_bytes_total"
        return one(series_of(server), name, process=process) - one(before, name, process=process)

    until(lambda: min(grown("1"), grown("2")) >= _CHUNK)
    series = series_of(server)
    assert one(series, "longshore_files") >= 1, "of the database there is one figure"
    assert one(series, "process_resident_memory_bytes", process="2") > 0


@dataclass
class Uploader:
    """Sends one upload after the other over connections that it keeps; whatever is no success it notes."""

    port: int
    over: threading.Event
    pause: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.over.is_set():
            data = os.urandom(3 * _CHUNK)
            created = self.ask("POST", "/uploads", {"Upload-Length": str(len(data))}, b"")
            if created is None:
                continue
            target, offset = str(created.getheader("Location")), 0
            target = "/" + target.split("/", 3)[3] if "://" in target else target
            while offset < len(data):
                body = data[offset : offset + _CHUNK]
                if self.ask("PATCH", target, {"Upload-Offset": str(offset), BYTES[0]: str(BYTES[1])}, body):
                    offset += len(body)
                elif head := self.ask("HEAD", target, {}):
                    there = int(head.getheader("Upload-Offset") or -1)
                    assert there >= offset, f"of {offset} acknowledged bytes of {target} {there} are there"
                    offset = there
                time.sleep(self.pause)
            self.acknowledged[target] = data
        if self.connection:
            self.connection.close()

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse | None:
        self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            self.connection.request(method, target, body, {VERSION[0]: str(VERSION[1]), **headers})
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.faults[repr(error)] += 1
            self.connection.close()
            self.connection = None
            return None
        if answer.status >= 300:
            self.faults[f"{method} {answer.status}"] += 1
            time.sleep(0.05)
            return None
        return answer


@dataclass
class Uploaders:
    port: int
    count: int
    pause: float = 0.0
    each: list[Uploader] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.over = threading.Event()
        self.each = [Uploader(self.port, self.over, self.pause) for _ in range(self.count)]
        self.threads = [threading.Thread(target=uploader.run) for uploader in self.each]
        for thread in self.threads:
            thread.start()
        until(lambda: all(uploader.acknowledged for uploader in self.each), within=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    @property
    def faults(self) -> Counter[str]:
        return sum((uploader.faults for uploader in self.each), Counter())

    def check(self) -> None:
        """All that was acknowledged is there."""
        tus = Tus(Http(self.port))
        for uploader in self.each:
            for target, data in uploader.acknowledged.items():
                assert tus.content(target) == data


def test_one_is_killed_its_uploads_go_on_at_the_other_and_it_comes_back(server: ServerProcess) -> None:
    one_, other = processes_of(server)
    with Uploaders(server.port, 6, pause=0.02) as uploaders:
        os.kill(one_, signal.SIGKILL)
        until(lambda: len(now := set(processes_of(server))) == 2 and other in now and one_ not in now)
        assert uploaders.faults, "nobody was at the one that was killed"
    uploaders.check()


def replaced(server: ServerProcess) -> None:
    """SIGHUP; return once all are others, and the old ones gone."""
    before = processes_of(server)
    server.signal(signal.SIGHUP)
    until(lambda: not set(before) & set(processes_of(server)), "the old ones stay", within=60)


@pytest.mark.timeout(180)
def test_all_are_replaced_and_no_client_sees_an_error(server: ServerProcess) -> None:
    with Uploaders(server.port, 4, pause=0.05) as uploaders:
        replaced(server)
    assert uploaders.faults == Counter()
    uploaders.check()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_all_are_replaced_three_times_under_twenty_clients_and_none_sees_an_error(server: ServerProcess) -> None:
    with Uploaders(server.port, 20, pause=0.005) as uploaders:
        for _ in range(3):
            replaced(server)
    assert uploaders.faults == Counter()
    uploaders.check()


def test_when_the_supervisor_is_killed_none_is_left_and_the_port_is_free(server: ServerProcess) -> None:
    processes = processes_of(server)
    server.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", server.port))


def test_a_port_that_somebody_has_is_refused_in_a_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_verb("serve", "--processes", "1", data_dir=tmp_path, env={"API_PORT": str(port)})
    assert (done.returncode, done.stderr) == (1, f"cannot listen on 127.0.0.1:{port}: Address already in use\n")


def test_several_that_would_not_hear_of_one_another_are_refused_in_a_line(tmp_path: Path) -> None:
    done = run_verb("serve", "--processes", "2", data_dir=tmp_path, env={"API_PORT": str(free_port())})
    assert done.returncode == 2
    assert done.stderr.startswith("PROCESSES: more than one need a DATABASE_URL of PostgreSQL")
