"""The chunk API under load and under faults: thousands of chunks, many connections, several processes, kill -9."""

import hashlib
import http.client
import json
import os
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.e2e.chunk_client import BASE, BOUNDARY, Answer, ChunkClient, multipart
from tests.e2e.conftest import StartServer
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.server import ServerProcess
from tests.support.wire import Connection

MIB = 1024 * 1024
CONNECTIONS = 16


def a_chunk(index: int, size: int) -> bytes:
    """Different bytes for each index, made anew each time: no test holds the whole file."""
    return random.Random(index).randbytes(size)


def digest_of(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


class Crowd:
    """Many connections that send chunks side by side, each from the head of one line."""

    def __init__(self, ports: Sequence[int], upload_id: str, order: Sequence[int], size: int) -> None:
        self._ports = ports
        self._upload_id = upload_id
        self._size = size
        self._line = iter(order)
        self._turn = threading.Lock()
        self.stored: set[int] = set()
        self.unanswered: set[int] = set()

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for sending in [threads.submit(self._send, n, until) for n in range(CONNECTIONS)]:
                sending.result()

    def _send(self, number: int, until: Callable[[], bool]) -> None:
        with ChunkClient(self._ports[number % len(self._ports)]) as client:
            while not until() and (index := self._next()) is not None:
                try:
                    answer = client.chunk(self._upload_id, index, a_chunk(index, self._size), self._size)
                except (OSError, http.client.HTTPException):
                    self.unanswered.add(index)
                    return  # the server is gone
                assert answer.data == {"chunk_index": index, "upload_id": self._upload_id}
                self.stored.add(index)

    def _next(self) -> int | None:
        with self._turn:
            return next(self._line, None)


def in_random_order(count: int, *, duplicates: int = 0) -> list[int]:
    choice = random.Random(count)
    order = [*range(count), *choice.sample(range(count), duplicates)]
    choice.shuffle(order)
    return order


def completed(client: ChunkClient, upload_id: str, count: int, size: int) -> str:
    """The SHA-256 of the file."""
    answer = client.complete(upload_id, total_chunks=count, total_size=count * size)
    return hashlib.sha256(client.content(answer.data["download_url"])).hexdigest()


def test_two_thousand_chunks_in_random_order_with_duplicates(start_server: StartServer) -> None:
    count, size = 2000, 16 * 1024
    server = start_server()
    with ChunkClient(server.port) as client:
        upload_id = client.init()
    crowd = Crowd([server.port], upload_id, in_random_order(count, duplicates=300), size)
    crowd.run()
    assert crowd.stored == set(range(count)) and not crowd.unanswered
    with ChunkClient(server.port) as client:  # the other connection has been idle for long
        assert completed(client, upload_id, count, size) == digest_of(a_chunk(n, size) for n in range(count))


def test_one_chunk_by_many_connections_at_once(start_server: StartServer) -> None:
    size = 256 * 1024
    server = start_server()
    with ChunkClient(server.port) as client:
        upload_id = client.init()
        crowd = Crowd([server.port], upload_id, [0] * (2 * CONNECTIONS), size)
        crowd.run()  # which asserts that each is a success
        assert completed(client, upload_id, 1, size) == digest_of([a_chunk(0, size)])


def test_completions_that_come_at_once_all_give_the_file(start_server: StartServer) -> None:
    size = 256 * 1024
    port = start_server().port
    with ChunkClient(port) as client, ThreadPoolExecutor(CONNECTIONS) as threads:
        for _ in range(3):
            upload_id = client.init()
            client.chunk(upload_id, 0, a_chunk(0, size), size)

            def complete(_: int, upload_id: str = upload_id) -> Answer:
                with ChunkClient(port) as another:
                    return another.complete(upload_id, total_chunks=1, total_size=size)

            answers = list(threads.map(complete, range(CONNECTIONS)))
            assert [answer.data for answer in answers] == [answers[0].data] * CONNECTIONS


def test_memory_stays_flat_whatever_comes_first(start_server: StartServer) -> None:
    count, size = 48, 8 * MIB
    server = start_server()
    process = psutil.Process(server.pid)
    with ChunkClient(server.port) as client:
        upload_id = client.init()
        fields = {"chunk_size": size, "upload_id": upload_id}
        before = most = process.memory_info().rss
        forms = [
            multipart({**fields, "chunk_index": index}, a_chunk(index, size), file_first=index % 2 == 1)
            for index in (0, 1)
        ]

        def send(index: int) -> int:
            nonlocal most
            with ChunkClient(server.port) as sender:
                told = f'name="chunk_index"\r\n\r\n{index % 2}\r\n'.encode()
                form = forms[index % 2].replace(told, f'name="chunk_index"\r\n\r\n{index}\r\n'.encode())
                kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
                status = sender.request("POST", f"{BASE}/upload/chunk/", form, **kind).status
            most = max(most, process.memory_info().rss)
            return status

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(send, range(count))) == {200}
        answer = client.complete(upload_id, total_chunks=count, total_size=count * size)
        assert answer.status == 200
    assert most - before < 64 * MIB


def test_after_a_kill_the_client_goes_on(start_server: StartServer) -> None:
    count, size = 400, 64 * 1024
    server = start_server()
    with ChunkClient(server.port) as client:
        upload_id = client.init()
    crowd = Crowd([server.port], upload_id, in_random_order(count), size)
    running = threading.Thread(target=crowd.run)
    running.start()
    while len(crowd.stored) < count // 4:
        running.join(0.01)
    server.kill()
    running.join()
    assert crowd.unanswered
    server.start()
    with ChunkClient(server.port) as client:
        missing = client.complete(upload_id, total_chunks=count, total_size=count * size)
        assert missing.status == 409
        told = {int(index) for index in missing.body["message"].partition(": ")[2].split(", ")}
        assert told.isdisjoint(crowd.stored)  # nothing that was acknowledged is lost
    again = Crowd([server.port], upload_id, in_random_order(count), size)  # all of them: most are there already
    again.run()
    assert again.stored == set(range(count))
    with ChunkClient(server.port) as client:  # the other connection has been idle for long
        assert completed(client, upload_id, count, size) == digest_of(a_chunk(n, size) for n in range(count))


def test_two_processes_take_chunks_of_one_upload_at_once(
    start_server: StartServer, postgres: PostgresCluster, tmp_path: Path
) -> None:
    count, size = 300, 64 * 1024
    shared = {"DATABASE_URL": postgres.lay_out_database(), "STORAGE_PATH": str(tmp_path / "volume")}
    servers = [start_server(**shared, EVENTS_URL="postgres://") for _ in range(2)]
    ports = [server.port for server in servers]
    with ChunkClient(ports[0]) as client:
        upload_id = client.init()
    crowd = Crowd(ports, upload_id, in_random_order(count, duplicates=60), size)
    crowd.run()
    assert crowd.stored == set(range(count))
    with ChunkClient(ports[0]) as client, ChunkClient(ports[1]) as other:
        wrong = other.chunk(upload_id, 7, a_chunk(8, size), size)
        assert wrong.status == 409
        changed = other.chunk(upload_id, count, b"x" * 10, 10)
        assert changed.status == 409
        expected = digest_of(a_chunk(n, size) for n in range(count))
        assert completed(other, upload_id, count, size) == expected
        assert completed(client, upload_id, count, size) == expected


def test_a_killed_process_keeps_no_chunk_from_the_other_one(
    start_server: StartServer, postgres: PostgresCluster, tmp_path: Path
) -> None:
    size = 256 * 1024
    shared = {"DATABASE_URL": postgres.lay_out_database(), "STORAGE_PATH": str(tmp_path / "volume")}
    dying, other = start_server(**shared), start_server(**shared)
    with ChunkClient(other.port) as client:
        upload_id = client.init()
        client.chunk(upload_id, 1, a_chunk(1, size), size)
        hanging = begin_chunk(dying, upload_id, 0, a_chunk(9, size), size)
        dying.kill()
        hanging.close()
        assert client.chunk(upload_id, 0, a_chunk(0, size), size).status == 200
        assert completed(client, upload_id, 2, size) == digest_of(a_chunk(n, size) for n in range(2))


def test_a_newer_request_for_a_chunk_ends_a_hanging_one(start_server: StartServer) -> None:
    size = 256 * 1024
    server = start_server()
    with ChunkClient(server.port, timeout=5) as client:
        upload_id = client.init()
        hanging = begin_chunk(server, upload_id, 0, b"x" * size, size)
        beside = begin_chunk(server, upload_id, 1, b"y" * size, size)
        assert client.chunk(upload_id, 0, b"z" * size, size).status == 200
        answer = hanging.receive("POST", within=5)
        assert answer.status == 409 and json.loads(answer.body)["success"] is False
        assert not beside.has_data(within=0.2)
        file = client.complete(upload_id, total_chunks=1, total_size=size).data
        assert beside.receive("POST", within=5).status == 409
        assert client.content(file["download_url"]) == b"z" * size


def test_a_cut_chunk_is_sent_again(start_server: StartServer) -> None:
    size = 256 * 1024
    server = start_server()
    with ChunkClient(server.port) as client:
        upload_id = client.init()
        for _ in range(3):
            begin_chunk(server, upload_id, 0, os.urandom(size), size).reset()
        assert client.chunk(upload_id, 0, a_chunk(0, size), size).status == 200
        assert completed(client, upload_id, 1, size) == digest_of([a_chunk(0, size)])


def begin_chunk(server: ServerProcess, upload_id: str, index: int, data: bytes, size: int) -> Connection:
    """A chunk's request of which half has been sent, and has arrived."""
    form = multipart({"chunk_size": size, "upload_id": upload_id, "chunk_index": index}, data)
    connection = Connection(server.port)
    headers = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"), ("Content-Length", str(len(form)))]
    connection.send_head("POST", f"{BASE}/upload/chunk/", headers)
    connection.send(form[: len(form) // 2])
    assert not connection.has_data(within=0.3)
    return connection
