"""Stands between a server of ours and an S3 service, and spoils what comes back: one fault for so many requests.

Plain HTTP on loopback; requests go on as they came (their signatures cover the service's own address, which the Host
header still names).
"""

import contextlib
import random
import socket
import socketserver
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_BLOCK = 256 * 1024
_STATUSES: dict[str | int, tuple[bytes, bytes]] = {
    404: (b"404 Not Found", b"NoSuchKey"),
    500: (b"500 Internal Server Error", b"InternalError"),
    503: (b"503 Slow Down", b"SlowDown"),
}
_ERROR = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made up</Message></Error>'


class FaultyS3:
    """``share`` of the requests get one of ``faults``: 404, 500, 503, "slow", "lost" (done, the answer never comes),
    "cut" (done, the answer's last byte never comes) or "200-with-error" (only where S3 does so: a completion that is
    not done and is answered 200 with an error in it).

    ``lacks_list_parts``: as a service that does not know it. ``forgets_bucket``: listings are answered 404 without a
    word, as by a proxy before a service that has no such bucket."""

    def __init__(self, endpoint: str, *, seed: int = 1) -> None:
        parts = urlsplit(endpoint)
        self._service = (parts.hostname or "", parts.port or 80)
        self._draw = random.Random(seed)
        self._lock = threading.Lock()
        self.faults: list[str | int] = []
        self.share = 0.0
        self.lacks_list_parts = False
        self.forgets_bucket = False
        self.done: Counter[str | int] = Counter()
        proxy = self

        class Relay(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    proxy.relay(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Relay)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def relay(self, client: socket.socket) -> None:
        """One request and its answer, then the connection is closed."""
        client.settimeout(60)
        head, rest = _read_head(client)
        if not head:
            return
        request = head.split(b"\r\n", 1)[0]
        if self.lacks_list_parts and request.startswith(b"GET") and b"uploadId=" in request:
            _answer(client, b"501 Not Implemented", _ERROR % b"NotImplemented")
            return
        if self.forgets_bucket and request.startswith(b"GET") and (b"list-type=2" in request or b"?uploads" in request):
            _answer(client, b"404 Not Found", b"")
            return
        fault = self._choose(head)
        with socket.create_connection(self._service, timeout=60) as service:
            if fault in _STATUSES:
                _read_body(client, head, rest, None)
                status, code = _STATUSES[fault]
                _answer(client, status, _ERROR % code)
                return
            if fault == "200-with-error":
                _read_body(client, head, rest, None)
                _answer(client, b"200 OK", _ERROR % b"InternalError")
                return
            if fault == "slow":
                time.sleep(1.5)
            service.sendall(_closing(head))
            _read_body(client, head, rest, service)
            _pass_on(service, client, fault)

    def _choose(self, head: bytes) -> str | int | None:
        completes = head.startswith(b"POST") and b"uploadId=" in head.split(b"\r\n", 1)[0]
        with self._lock:
            if not self.faults or self._draw.random() >= self.share:
                return None
            fault = self._draw.choice(self.faults)
            if fault == "200-with-error" and not completes:
                return None
            self.done[fault] += 1
            return fault


def _pass_on(service: socket.socket, client: socket.socket, fault: str | int | None) -> None:
    if fault == "cut":
        client.sendall(b"".join(iter(lambda: service.recv(_BLOCK), b""))[:-1])
        return
    while block := service.recv(_BLOCK):
        if fault == "lost":
            return
        client.sendall(block)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        block = client.recv(_BLOCK)
        if not block:
            return b"", b""
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _read_body(client: socket.socket, head: bytes, rest: bytes, service: socket.socket | None) -> None:
    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lines[0].partition(b":")[2]) if lines else 0
    if b"expect: 100-continue" in head.lower() and len(rest) < left and service is None:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if b"expect: 100-continue" in head.lower() and service is not None:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    block = rest
    while True:
        if service and block:
            service.sendall(block)
        left -= len(block)
        if left <= 0:
            return
        block = client.recv(min(_BLOCK, left))
        if not block:
            raise ConnectionError("the body ended early")


def _closing(head: bytes) -> bytes:
    """Each request has a connection of its own, and the body comes without being asked for."""
    lines = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n"


def _answer(client: socket.socket, status: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    client.sendall(head % (status, len(body)) + body)
