"""Many clients at once on SQLite, whose file another program writes as well: everybody is served, nobody is told that
somebody else has taken over.
"""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.rig.settings import CHAOS
from tests.support.processes.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.serial, pytest.mark.timeout(180)]

_CLIENTS = 600
_CHUNKS = 3
_CHUNK = bytes(range(256)) * 64


def test_a_crowd_is_served_although_each_commit_has_to_wait(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        with _busy_neighbour(server.data_dir / "files.db"):
            answers = asyncio.run(_crowd(server.port))
        assert answers == {"POST 201": _CLIENTS, "PATCH 204": _CLIENTS * _CHUNKS}


async def _crowd(port: int) -> Counter[str]:
    answers: Counter[str] = Counter()
    await asyncio.gather(*(_upload(port, answers) for _ in range(_CLIENTS)))
    return answers


async def _upload(port: int, answers: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    location = "/uploads"
    for number in range(-1, _CHUNKS):
        method, body, fields = "POST", b"", f"Upload-Length: {len(_CHUNK) * _CHUNKS}\r\n"
        if number >= 0:
            method, body = "PATCH", _CHUNK
            fields = f"Upload-Offset: {number * len(_CHUNK)}\r\nContent-Type: application/offset+octet-stream\r\n"
        head = f"{method} {location} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n{fields}\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = answer.split()[1]
        answers[f"{method} {status}"] += 1
        if status not in ("201", "204"):
            break
        if method == "POST":
            [location] = [line[len("Location: ") :] for line in answer.splitlines() if line.startswith("Location: ")]
    writer.close()


@contextmanager
def _busy_neighbour(database: Path) -> Iterator[None]:
    """Another program has SQLite's one write lock most of the time, never for long."""
    over = threading.Event()

    def work() -> None:
        connection = sqlite3.connect(database, isolation_level=None, timeout=30)
        while not over.wait(0.02):
            connection.execute("BEGIN IMMEDIATE")
            over.wait(0.1)
            connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
