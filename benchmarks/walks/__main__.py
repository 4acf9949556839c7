"""``python -m benchmarks.walks [project folder]``: how long the ways through the code are.

For each walk: the files entered, the calls of the project's own functions and the moves from one file to another, for
one request of a server that has done some before. Counts of Python, not times: the same each run, whatever else the
machine does. The writing process is not counted; it is off here, for small writes come one by one.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from tornado.websocket import websocket_connect

HERE = Path(__file__).resolve().parent
TIMES = 20
TUS = {"Tus-Resumable": "1.0.0"}
KIB = 1024


class Server:
    def __init__(self, project: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._counts = str(folder / "counts")
        ours = {
            "API_PORT": str(self.port),
            "DATA_DIR": str(folder / "data"),
            "RATE_LIMIT": "none",
            "QUOTA_OPEN_UPLOADS": "none",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(HERE),
            "WALKS_ROOT": str(project),
            "WALKS_SOCKET": self._counts,
        }
        unwatched = {name: value for name, value in {**os.environ, **ours}.items() if name != "WALKS_SOCKET"}
        subprocess.run([sys.executable, "starter.py", "migrate"], cwd=project, env=unwatched, check=True)
        self._process = subprocess.Popen(
            [sys.executable, "starter.py"], cwd=project, env={**os.environ, **ours}, stdout=subprocess.DEVNULL
        )
        self._wait()
        self.http = HTTPConnection("127.0.0.1", self.port)

    def close(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(40)

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
        """On one connection that is kept; the Location, if there is one."""
        self.http.request(method, path, body, headers or {})
        answer = self.http.getresponse()
        answer.read()
        assert answer.status < 300, (method, path, answer.status)
        return answer.headers.get("Location", "")

    def counted(self, walk: Callable[[], object]) -> tuple[int, float, float]:
        """Files, calls and moves of one walk."""
        for _ in range(5):
            walk()
        time.sleep(1.5)  # what was begun beside them ends
        self._take()
        for _ in range(TIMES):
            walk()
        told = self._take()
        calls: dict[str, int] = told["calls"]
        files = {name.partition(":")[0] for name, count in calls.items() if count >= TIMES}
        return len(files), sum(calls.values()) / TIMES, told["moves"] / TIMES

    def _take(self) -> dict:  # type: ignore[type-arg]
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(self._counts)
            return json.loads(b"".join(iter(lambda: asking.recv(65536), b"")))  # type: ignore[no-any-return]

    def _wait(self) -> None:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server does not start")


def patches(server: Server, size: int) -> Callable[[], object]:
    location = server.request("POST", "/uploads", headers={**TUS, "Upload-Length": str(size * 1000)})
    at = 0

    def walk() -> None:
        nonlocal at
        head = {**TUS, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
        server.request("PATCH", location, os.urandom(size), head)
        at += size

    return walk


def downloads(server: Server) -> Callable[[], object]:
    location = server.request("PUT", "/upload/a.bin", os.urandom(64 * KIB))
    return lambda: server.request("GET", f"{location}/content")


def chunks(server: Server) -> Callable[[], object]:
    base, index = "/api/v1/file/upload", 0
    server.http.request("POST", f"{base}/init/")
    upload_id = json.loads(server.http.getresponse().read())["data"]["upload_id"]

    def walk() -> None:
        nonlocal index
        fields = {"chunk_size": 64 * KIB, "upload_id": upload_id, "chunk_index": index}
        parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n')
        body = "".join(parts).encode() + os.urandom(64 * KIB) + b"\r\n--b--\r\n"
        server.request("POST", f"{base}/chunk/", body, {"Content-Type": "multipart/form-data; boundary=b"})
        index += 1

    return walk


def puts(server: Server) -> Callable[[], object]:
    return lambda: server.request("PUT", "/upload/a.bin", os.urandom(100))


def slowly(walk: Callable[[], object]) -> Callable[[], object]:
    """At most eight a second are told. What a server does beside requests, it does more often between slow ones."""

    def slow() -> None:
        walk()
        time.sleep(0.2)

    return slow


async def watched(server: Server) -> tuple[int, float, float]:
    """One PATCH of 64 KiB with a watcher, less one without: what a frame costs."""
    alone = await asyncio.to_thread(server.counted, slowly(patches(server, 64 * KIB)))
    socket_ = await websocket_connect(f"ws://127.0.0.1:{server.port}/ws/progress?scope=mine")
    await socket_.read_message()
    seen = await asyncio.to_thread(server.counted, slowly(patches(server, 64 * KIB)))
    socket_.close()
    return seen[0] - alone[0], seen[1] - alone[1], seen[2] - alone[2]


def main() -> None:
    project = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE.parents[1]
    print("walk                                   files    calls    moves")
    with tempfile.TemporaryDirectory() as name:
        server = Server(project, Path(name))
        try:
            for what, walk in (
                ("tus PATCH 64 KiB, connection kept", patches(server, 64 * KIB)),
                ("tus PATCH 2 MiB", patches(server, 2048 * KIB)),
                ("download of 64 KiB", downloads(server)),
                ("chunk API 64 KiB", chunks(server)),
                ("PUT of 100 bytes", puts(server)),
            ):
                _show(what, *server.counted(walk))
            _show("progress event to WebSocket frame", *asyncio.run(watched(server)))
        finally:
            server.close()


def _show(what: str, files: int, calls: float, moves: float) -> None:
    print(f"{what:36}  {files:6}  {calls:7.0f}  {moves:7.0f}", flush=True)


if __name__ == "__main__":
    main()
