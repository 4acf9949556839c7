"""A small HTTP/1.1 client over bare sockets: sends exactly what it is told to, shows exactly what came back.

Ordinary clients hide what these tests are about: interim answers, repeated headers, half-sent bodies.
``Http`` asks one question per connection; ``Connection`` is for everything that needs care; ``WebSocket`` is
enough to watch and be closed.
"""

import base64
import contextlib
import json
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

Header = tuple[str, str | bytes]
TIMEOUT = 20.0
_BODY_METHODS = {"POST", "PUT", "PATCH"}
_NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


class Closed(ConnectionError):
    """The server closed the connection before the answer was complete."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; ``interim`` holds the 1xx answers before it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    interim: tuple["Response", ...] = ()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def words(self, name: str) -> set[str]:
        """The members of a comma-separated header, lower case."""
        return {word.strip().lower() for value in self.all(name) for word in value.split(",") if word.strip()}

    def json(self) -> Any:
        return json.loads(self.body)


def chunked(*pieces: bytes, trailers: Sequence[Header] = ()) -> bytes:
    """``pieces`` as a chunked body; empty ones are left out, since an empty chunk ends the body."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return chunks + b"0\r\n" + _head_lines(trailers) + b"\r\n"


class Connection:
    """One TCP connection, driven by hand; with ``tls`` there is TLS in it."""

    def __init__(self, port: int, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1")
        self._host = f"127.0.0.1:{port}"
        self._unread = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_head(self, method: str, target: str, headers: Iterable[Header] = ()) -> None:
        self.send(self.head_bytes(method, target, headers))

    def head_bytes(self, method: str, target: str, headers: Iterable[Header] = ()) -> bytes:
        headers = list(headers)
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", self._host))
        return f"{method} {target} HTTP/1.1\r\n".encode() + _head_lines(headers) + b"\r\n"

    def receive(self, method: str = "GET", *, within: float = TIMEOUT) -> Response:
        """The next final answer, with the interim ones before it.

        Raises:
            Closed: the server hung up first.
            TimeoutError: no whole answer came ``within`` that many seconds.
        """
        deadline = time.monotonic() + within
        interim: list[Response] = []
        while (answer := self._receive_head(deadline)).status < 200 and answer.status != 101:
            interim.append(answer)
        body = self._receive_body(method, answer, deadline)
        return Response(answer.status, answer.reason, answer.headers, body, tuple(interim))

    def receive_head(self, *, within: float = TIMEOUT) -> Response:
        """The next answer without its body, which may have no end."""
        return self._receive_head(time.monotonic() + within)

    def receive_interim(self, *, within: float = TIMEOUT) -> Response:
        """The next 1xx answer, while the final one may be far off."""
        answer = self._receive_head(time.monotonic() + within)
        assert answer.status < 200, f"not interim: {answer}"
        return answer

    def ends(self, *, within: float) -> bool:
        """Whether the server closes this connection, orderly or not, in time; what it sends is dropped."""
        deadline = time.monotonic() + within
        with contextlib.suppress(TimeoutError):
            while True:
                try:
                    self._fill(deadline)
                except (Closed, ConnectionError):
                    return True
        return False

    def has_data(self, *, within: float) -> bool:
        """Whether anything (bytes or the end) comes within the time; nothing is consumed."""
        return bool(self._unread) or bool(select.select([self._socket], [], [], within)[0])

    def finish_sending(self) -> None:
        """Send FIN; the answer can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST: the connection is gone at once, as when a client is killed with data on the way."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def drain(self, *, seconds: float) -> bytes:
        """Whatever raw bytes come within the time, for answers that have no end."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(Closed, TimeoutError):
            while True:
                self._fill(deadline)
        data, self._unread = self._unread, b""
        return data

    def take(self, count: int, *, within: float = TIMEOUT) -> bytes:
        """Exactly ``count`` raw bytes."""
        return self._take(count, time.monotonic() + within)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A test that failed must not fail the next one, too, by the socket it left open.
        with contextlib.suppress(AttributeError):  # it never got one
            self.close()

    def _receive_head(self, deadline: float) -> Response:
        status_line, *lines = self._take_until(b"\r\n\r\n", deadline).decode("latin-1").split("\r\n")
        version, status, *reason = status_line.split(" ", 2)
        assert version == "HTTP/1.1", f"a strange status line: {status_line!r}"
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return Response(int(status), reason[0] if reason else "", headers)

    def _receive_body(self, method: str, answer: Response, deadline: float) -> bytes:
        if method == "HEAD" or answer.status in (101, 204, 304):
            return b""
        if answer.header("Transfer-Encoding") == "chunked":
            return b"".join(self._chunks(deadline))
        if (length := answer.header("Content-Length")) is not None:
            return self._take(int(length), deadline)
        with contextlib.suppress(Closed):
            while True:
                self._fill(deadline)
        body, self._unread = self._unread, b""
        return body

    def _chunks(self, deadline: float) -> Iterator[bytes]:
        while size := int(self._take_until(b"\r\n", deadline).split(b";")[0], 16):
            yield self._take(size, deadline)
            self._take_until(b"\r\n", deadline)
        while self._take_until(b"\r\n", deadline):
            pass

    def _take_until(self, mark: bytes, deadline: float) -> bytes:
        while mark not in self._unread:
            self._fill(deadline)
        found, _, self._unread = self._unread.partition(mark)
        return found

    def _take(self, count: int, deadline: float) -> bytes:
        pieces, missing = [], count
        while missing:
            if not self._unread:
                self._fill(deadline)
            piece, self._unread = self._unread[:missing], self._unread[missing:]
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _fill(self, deadline: float) -> None:
        if (left := deadline - time.monotonic()) <= 0:
            raise TimeoutError("the server did not answer in time")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionResetError:
            raise Closed("the server reset the connection") from None
        if not data:
            raise Closed(f"the server closed the connection after {self._unread[:200]!r}")
        self._unread += data


@dataclass(frozen=True, slots=True)
class Http:
    """One request per connection; ``headers`` go with each of them."""

    port: int
    headers: tuple[Header, ...] = ()
    tls: ssl.SSLContext | None = None

    def connect(self) -> Connection:
        return Connection(self.port, tls=self.tls)

    def with_headers(self, *headers: Header) -> "Http":
        return Http(self.port, (*self.headers, *headers), self.tls)

    def request(
        self,
        method: str,
        target: str,
        headers: Iterable[Header] = (),
        body: bytes | None = None,
        *,
        within: float = TIMEOUT,
    ) -> Response:
        """Send a whole request (Content-Length included, unless ``headers`` frame the body); the answer."""
        headers = [*self.headers, *headers]
        framed = {name.lower() for name, _ in headers} & {"content-length", "transfer-encoding"}
        if not framed and (body is not None or method in _BODY_METHODS):
            headers.append(("Content-Length", str(len(body or b""))))
        with self.connect() as connection:
            # A server may refuse and hang up while we still send; its answer counts all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(connection.head_bytes(method, target, headers) + (body or b""))
            return connection.receive(method, within=within)

    def get(self, target: str, *headers: Header) -> Response:
        return self.request("GET", target, headers)


@dataclass(slots=True)
class WebSocket:
    """A client's end of a WebSocket: text and bytes out, JSON in, and the code of the close."""

    connection: Connection
    close_code: int | None = field(default=None, init=False)

    @classmethod
    def open(cls, http: Http, target: str, *headers: Header) -> "WebSocket":
        return cls.asked(http, target, *headers).opened()

    @classmethod
    def asked(cls, http: Http, target: str, *headers: Header, connection: Connection | None = None) -> "WebSocket":
        """The handshake is sent, and its answer still to be read by ``opened``; ``connection``: None, a new one."""
        connection = connection or http.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade: list[Header] = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
            ("Origin", f"http://127.0.0.1:{http.port}"),
        ]
        connection.send_head("GET", target, [*http.headers, *upgrade, *headers])
        return cls(connection)

    def opened(self) -> Self:
        answer = self.connection.receive()
        assert answer.status == 101, f"not upgraded: {answer.status} {answer.body[:200]!r}"
        return self

    def send_json(self, message: object) -> None:
        self.send_frame(0x1, json.dumps(message).encode())

    def send_bytes(self, data: bytes) -> None:
        self.send_frame(0x2, data)

    def messages(self, *, within: float) -> Iterator[Any]:
        """The JSON messages until the time is over or the server closes (``close_code`` is set then)."""
        deadline = time.monotonic() + within
        while self.close_code is None and (left := deadline - time.monotonic()) > 0:
            if not self.connection.has_data(within=left):
                return
            opcode, payload = self._receive_frame()
            if opcode == 0x1:
                yield json.loads(payload)
            elif opcode == 0x8:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            elif opcode == 0x9:
                self.send_frame(0xA, payload)

    def close(self) -> None:
        self.connection.close()

    def _receive_frame(self) -> tuple[int, bytes]:
        first, second = self.connection.take(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self.connection.take(2 if size == 126 else 8), "big")
        return first & 0x0F, self.connection.take(size)

    def send_frame(self, opcode: int, payload: bytes, *, is_final: bool = True, announced: int | None = None) -> None:
        """``announced``: another size than it has."""
        size = len(payload) if announced is None else announced
        told = bytes([0x80 | size]) if size < 126 else struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        masks = (mask * (len(payload) // 4 + 1))[: len(payload)]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")
        self.connection.send(bytes([0x80 * is_final | opcode]) + told + mask + masked.to_bytes(len(payload), "big"))


def _head_lines(headers: Iterable[Header]) -> bytes:
    return b"".join(
        name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
        for name, value in headers
    )
