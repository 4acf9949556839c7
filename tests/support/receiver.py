"""A receiver of webhooks on loopback that may be down, hang, refuse or talk rubbish, as a test has it."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook

from tests.support.ports import free_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANOTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def status(code: int, *fields: str, body: bytes = b"") -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"HTTP/1.1 {code} So", f"Content-Length: {len(body)}", *fields))
    return head.encode() + b"\r\n" + body


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    def verify(self, secret: str = SECRET) -> None:
        """By the published verifier."""
        Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """``answer``: what is sent back to a delivery; None: nothing, and the connection stays open.

    ``came``: everything that came, in order, whatever was answered; ``taken``: what 204 was said to.
    ``cut``: how many answers nobody read to their end.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.answer: Callable[[Delivery], bytes | None] = lambda _: OK
        self.came: list[Delivery] = []
        self.taken: list[Delivery] = []
        self.connections = 0
        self.cut = 0
        self._tls = tls
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/hook"

    def of(self, type_: str) -> Sequence[Delivery]:
        return [one for one in self.taken if one.told["type"] == type_]

    def start(self) -> None:
        self._is_over.clear()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        self._is_over.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # else accept() in the other thread goes on
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with suppress(OSError), connection:
            stream = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with stream, stream.makefile("rb") as source:
                if not (first := source.readline()):
                    return  # connected, and gone without a word: whoever was killed meanwhile
                path = first.split()[1].decode()
                headers = dict(_field(line) for line in iter(source.readline, b"\r\n"))
                delivery = Delivery(path, headers, source.read(int(headers["content-length"])))
                self.came.append(delivery)
                answer = self.answer(delivery)
                if answer is None:
                    self._is_over.wait()
                    return
                if answer == OK:
                    self.taken.append(delivery)
                try:
                    stream.sendall(answer)
                except OSError:
                    self.cut += 1
        self._open.discard(connection)


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().partition(":")
    return name.lower(), value.strip()
