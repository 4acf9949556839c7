"""A tus client that never gives up and writes down every promise the server makes it.

A promise is an offset in a success answer: a PATCH's 204 or a HEAD's 200 (the ack rule of CONTRIBUTING.md). The
client goes on after any cut by HEAD, and notes it as a *broken promise* when the server then knows fewer
bytes, or no upload.
"""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.chaos.rig.content import Content

TUS = {"Tus-Resumable": "1.0.0"}
_PATIENCE = 0.1  # seconds between tries while the server is away
_ASK_AGAIN = frozenset({409, 423, 429, 502, 503, 504, 507})  # a client asks by HEAD and goes on after these


class Refused(Exception):
    """An answer that a resuming client has no business to get."""


class Stopped(Exception):
    """The test ended before the upload did."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The server promised ``offset`` bytes at ``at`` (monotonic) to the connection from ``client_port``."""

    at: float
    offset: int
    status: int
    client_port: int


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    client_port: int

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


class _Final(http.client.HTTPResponse):
    """Interim responses (104 of the IETF draft) are skipped, which http.client does with 100 alone; its way of reading
    a status is not told to mypy.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Wire:
    """One connection that is opened again when it broke; every call either answers or raises OSError."""

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
        *,
        pause: float = 0,
    ) -> Answer:
        """Send ``body`` as it comes, ``pause`` seconds between two pieces; Content-Length is the caller's."""
        connection = self._open()
        try:
            port = self._client_port(connection)
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            # A server that refuses answers before it has read everything: the answer is worth more than the
            # broken pipe.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in body:
                    connection.send(piece)
                    if pause:
                        time.sleep(pause)
            response = connection.getresponse()
            content = response.read()
            told = {name.lower(): value for name, value in response.getheaders()}
            if response.will_close:
                self.close()
            return Answer(response.status, told, content, port)
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(repr(error)) from error
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
            connection.response_class = _Final
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = connection
        return self._connection

    @staticmethod
    def _client_port(connection: http.client.HTTPConnection) -> int:
        port: int = connection.sock.getsockname()[1]
        return port


def ask(url: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """One request over its own connection."""
    wire = Wire(url)
    length = {"Content-Length": str(len(body))} if body or method in ("POST", "PATCH", "PUT") else {}
    try:
        return wire.request(method, path, {**length, **(headers or {})}, [body] if body else [])
    finally:
        wire.close()


def path_of(location: str) -> str:
    """The path of a Location, which may be relative or absolute."""
    return urlsplit(location).path


class ResumingUpload:
    """One file on its way to the server; ``run`` returns when every byte is acknowledged.

    ``chunk_sizes`` are taken in turn, the last PATCH takes what is left. ``on_acknowledgement`` is called in
    the sending thread, before anything else is sent. Closing ``gate`` (an Event) holds the client before its
    next request.
    """

    def __init__(
        self,
        url: str,
        content: Content,
        *,
        chunk_sizes: Sequence[int],
        pause: float = 0,
        timeout: float = 30,
        endpoint: str = "/uploads",
        headers: Mapping[str, str] | None = None,
        on_acknowledgement: Callable[["ResumingUpload"], None] | None = None,
        gate: threading.Event | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.url = url
        self.content = content
        self.location = ""
        self.promised = 0
        self.complete = False
        self.acknowledgements: list[Acknowledgement] = []
        self.broken_promises: list[str] = []
        self.surprises: Counter[str] = Counter()
        self.cuts = 0
        self._chunk_sizes = tuple(chunk_sizes)
        self._turn = 0
        self._pause = pause
        self._endpoint = endpoint
        self._headers = dict(headers or {})
        self._on_acknowledgement = on_acknowledgement
        self._gate = gate
        self._stop = stop
        self._wire = Wire(url, timeout=timeout)

    @property
    def id(self) -> str:
        return self.location.rstrip("/").rsplit("/", 1)[-1]

    def run(self, *, within: float = 120) -> None:
        """Bring every byte over, whatever happens to the connection.

        Raises:
            TimeoutError: not done after ``within`` seconds.
            Stopped: the ``stop`` event was set.
        """
        deadline = time.monotonic() + within
        offset: int | None = None
        try:
            while not self.complete:
                self._hold(deadline)
                try:
                    if not self.location:
                        self.create()
                        offset = 0
                    elif offset is None:
                        offset = self.resume()
                    elif offset == self.content.length:
                        self.complete = True
                    else:
                        offset = self.send(offset)
                        time.sleep(self._pause)
                except OSError:
                    self.cuts += 1
                    offset = None
                    time.sleep(_PATIENCE)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the connection; ``run`` does it at its end, the single steps don't."""
        self._wire.close()

    def create(self) -> None:
        answer = self._wire.request("POST", self._endpoint, {**self._headers, **self._creation()})
        if answer.status != 201:
            self._puzzled("POST", answer)
            raise ConnectionError(f"POST answered {answer.status}")
        self.location = path_of(answer.header("location"))

    def resume(self) -> int | None:
        """The server's offset; None when it cannot tell now."""
        answer = self._wire.request("HEAD", self.location, {**self._headers, **self._words})
        if answer.status in (404, 410):
            self._broken(f"HEAD answered {answer.status} after {self.promised} bytes were acknowledged")
            raise Refused(f"{self.location}: HEAD answered {answer.status}")
        if answer.status not in (200, 204):
            self._puzzled("HEAD", answer)
            time.sleep(_PATIENCE)
            return None
        offset = int(answer.header("upload-offset"))
        if offset < self.promised:
            self._broken(f"HEAD says {offset} after {self.promised} bytes were acknowledged")
        self._promise(offset, answer)
        return offset

    def send(self, offset: int) -> int | None:
        """One chunk from ``offset`` on; the next offset, or None when the server has to be asked."""
        size = self._chunk_sizes[self._turn % len(self._chunk_sizes)]
        self._turn += 1
        stop = min(offset + size, self.content.length)
        headers = {
            **self._headers,
            **self._piece(stop),
            "Upload-Offset": str(offset),
            "Content-Length": str(stop - offset),
        }
        answer = self._wire.request("PATCH", self.location, headers, self.content.blocks(offset, stop))
        if answer.status not in (200, 201, 204):
            self._puzzled("PATCH", answer)
            time.sleep(_PATIENCE)
            return None
        told = int(answer.header("upload-offset"))
        if told != stop:
            self._broken(f"PATCH to byte {stop} was answered with offset {told}")
        self._promise(told, answer)
        return told

    # What one protocol says: tus.

    _words: Mapping[str, str] = TUS

    def _creation(self) -> Mapping[str, str]:
        return {**self._words, "Upload-Length": str(self.content.length), "Content-Length": "0"}

    def _piece(self, stop: int) -> Mapping[str, str]:
        return {**self._words, "Content-Type": "application/offset+octet-stream"}

    def _promise(self, offset: int, answer: Answer) -> None:
        self.acknowledgements.append(Acknowledgement(time.monotonic(), offset, answer.status, answer.client_port))
        self.promised = max(self.promised, offset)
        if self._on_acknowledgement is not None:
            self._on_acknowledgement(self)

    def _broken(self, what: str) -> None:
        self.broken_promises.append(f"{self.location}: {what}")

    def _puzzled(self, method: str, answer: Answer) -> None:
        if answer.status not in _ASK_AGAIN:
            self.surprises[f"{method} {answer.status} {answer.body[:200]!r}"] += 1

    def _hold(self, deadline: float) -> None:
        while self._gate is not None and not self._gate.wait(0.1):
            self._check(deadline)
        self._check(deadline)

    def _check(self, deadline: float) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped(self.location)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{self.location or 'an upload without a location'} stands at {self.promised}")


class HangingPatch:
    """A PATCH that announces more than it sends, then waits: the client whose network went away."""

    def __init__(
        self,
        url: str,
        location: str,
        headers: Mapping[str, str] | None = None,
        *,
        offset: int,
        announced: int,
        sent: bytes,
    ) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=30)
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {announced}\r\n{more}\r\n"
        )
        self.socket.sendall(head.encode() + sent)
        self.answer = b""

    def more(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ended_within(self, seconds: float) -> float | None:
        """Seconds until the server answered or closed; None when it did neither in time."""
        began = time.monotonic()
        self.socket.settimeout(seconds)
        try:
            self.answer = self.socket.recv(4096)
        except TimeoutError:
            return None
        except OSError:
            pass
        return time.monotonic() - began

    def close(self) -> None:
        self.socket.close()


class Fleet:
    """``size`` clients side by side, each in its thread, one upload after the other until told to finish."""

    def __init__(self, size: int, make: Callable[[int], ResumingUpload], *, within: float = 120) -> None:
        """``make`` gets a running number and returns the next upload."""
        self.uploads: list[ResumingUpload] = []
        self.errors: list[BaseException] = []
        self._make = make
        self._within = within
        self._finishing = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> None:
        """Let them go on for so long.

        Raises:
            AssertionError: they have all given up.
        """
        time.sleep(seconds)
        assert any(thread.is_alive() for thread in self._threads), f"no client goes on: {self.errors}"

    def finish(self) -> None:
        """Let every client end the upload it is at, and wait for that."""
        self._finishing.set()
        for thread in self._threads:
            thread.join(self._within + 30)

    @property
    def acknowledgements(self) -> int:
        return sum(len(upload.acknowledgements) for upload in list(self.uploads))

    @property
    def broken_promises(self) -> list[str]:
        return [line for upload in list(self.uploads) for line in upload.broken_promises]

    @property
    def surprises(self) -> Counter[str]:
        return sum((upload.surprises for upload in list(self.uploads)), Counter())

    @property
    def cuts(self) -> int:
        return sum(upload.cuts for upload in list(self.uploads))

    def _work(self) -> None:
        while not self._finishing.is_set():
            with self._lock:
                upload = self._make(len(self.uploads))
                self.uploads.append(upload)
            try:
                upload.run(within=self._within)
            except Stopped:
                return
            except Refused as error:  # a lost upload: told by the test, and the load goes on
                self.errors.append(error)
            except Exception as error:  # noqa: BLE001 - a thread's end is the test's to judge
                self.errors.append(error)
                return


def mixed_chunk_sizes(seed: int) -> list[int]:
    """A dozen sizes from one byte to 2 MiB, small ones as likely as big ones."""
    draw = random.Random(seed)
    return [int(2 ** draw.uniform(10, 21)) + draw.randrange(3) for _ in range(11)] + [1]
