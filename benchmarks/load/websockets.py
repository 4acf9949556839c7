"""Many idle WebSockets: opened, kept alive by answering pings, otherwise silent."""

import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figures import Failed

AT_ONCE = 100
OPENING_SECONDS = 60.0
PING = 0x89
CLOSE = 0x88
# RFC 6455 §5.3: a client masks what it sends; a mask of zeros leaves the payload as it is
MASKED_PONG = b"\x8a"


class IdleWebSockets:
    """``count`` WebSockets at ``path``, all of them open at once."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._sockets: list[socket.socket] = []
        self._opening: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()

    def open(self, count: int) -> None:
        """Open ``count`` more, a hundred at a time; those already open are kept alive meanwhile."""
        for start in range(0, count, AT_ONCE):
            for _ in range(min(AT_ONCE, count - start)):
                self._ask()
            deadline = time.monotonic() + OPENING_SECONDS
            while self._opening:
                if time.monotonic() > deadline:
                    raise Failed(f"WebSocket {len(self._sockets)} got no answer in {OPENING_SECONDS:.0f} s")
                self._take_what_comes(1)

    def idle(self, seconds: float) -> None:
        """Answer pings and drop messages for ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._take_what_comes(left)

    def close(self) -> None:
        self._selector.close()
        for each in self._sockets:
            each.close()

    def _ask(self) -> None:
        client = socket.create_connection(("127.0.0.1", self._port), timeout=OPENING_SECONDS)
        self._sockets.append(client)
        key = "bG9uZ3Nob3JlLWJlbmNoIQ=="
        client.sendall(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        client.setblocking(False)
        self._opening.add(client)
        self._selector.register(client, selectors.EVENT_READ)

    def _take_what_comes(self, patience: float) -> None:
        for key, _ in self._selector.select(patience):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                received = client.recv(65536)
            except OSError as error:
                raise Failed(f"an idle WebSocket was cut off: {error}") from None
            if client in self._opening:
                received = self._accept(client, received)
            elif not received:
                raise Failed("an idle WebSocket was closed by the server")
            _answer_frames(client, received)

    def _accept(self, client: socket.socket, answer: bytes) -> bytes:
        """Check the answer to the handshake; the frames that came with it."""
        head, _, frames = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise Failed(f"WebSocket {len(self._sockets)} was refused: {head[:100]!r}")
        self._opening.remove(client)
        return frames


def _answer_frames(client: socket.socket, received: bytes) -> None:
    """Messages are short and come whole, so what is read at once are whole frames."""
    for opcode, payload in _frames(received):
        if opcode == CLOSE:
            raise Failed(f"an idle WebSocket was closed by the server: {payload!r}")
        if opcode == PING:
            client.send(MASKED_PONG + bytes([0x80 | len(payload)]) + bytes(4) + payload)


def _frames(received: bytes) -> Iterator[tuple[int, bytes]]:
    """The first byte and the payload of each of a server's (unmasked) frames (RFC 6455 §5.2)."""
    at = 0
    while at + 2 <= len(received):
        length, start = received[at + 1] & 0x7F, at + 2
        extended = {126: 2, 127: 8}.get(length, 0)
        if extended:
            length = int.from_bytes(received[start : start + extended], "big")
        start += extended
        yield received[at], received[start : start + length]
        at = start + length


@contextmanager
def idle_websockets(port: int, path: str, count: int, *, seconds: float) -> Iterator[None]:
    """``count`` WebSockets have been open and idle for ``seconds`` when the block runs."""
    clients = IdleWebSockets(port, path)
    try:
        clients.open(count)
        clients.idle(seconds)
        yield
    finally:
        clients.close()


def descriptor_room(wanted: int, *, spare: int = 256) -> int:
    """How many of ``wanted`` sockets a process may hold, after raising the soft limit as far as allowed.

    Servers started afterwards inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted + spare if hard == resource.RLIM_INFINITY else min(hard, wanted + spare)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return min(wanted, max(allowed, soft) - spare)
