"""Who sends too slowly is cut off on every route: heads after 20 s, bodies below 1 KiB/s over 30 s. So is who reads
nothing of its replies, after half a minute.

They dawdle side by side; half a minute is waited in all, in which other tests have the machine. How many there may be
is in tests/adapters/http/test_slow_loris.py.
"""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.chunk_client import BASE, BOUNDARY, ChunkClient, multipart
from tests.e2e.conftest import StartServer
from tests.e2e.dawdler import Dawdler
from tests.e2e.ietf import CHUNKED, COMPLETE, MORE, PARTIAL, interop
from tests.e2e.tus import BYTES, VERSION, Tus
from tests.support.wire import Connection, Header, Http

pytestmark = pytest.mark.timeout(120)
HEADER_SECONDS = IDLE_SECONDS = 20.0
BODY_SECONDS = 30.0
READER_SECONDS = 30.0
SLACK_SECONDS = 5.0

FORM: Header = ("Content-Type", "multipart/form-data; boundary=b")
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n'
CHUNK: Header = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")

# What its route would like to have, whole: each is begun, and then comes byte by byte, or not at all.
BODIES = (
    *("tus", "tus, long", "tus, chunked", "tus creation", "ietf creation", "ietf append", "put", "put, chunked"),
    *("form", "chunk", "chunk before its fields", "fields"),
)
# What wants no body at all, and gets a slow one.
ROUTES = ("/", "/nowhere", "/events?scope=mine", "/static/app.js", "/ws/progress", "/health", "/uploads?state=open")


def length(size: int) -> Header:
    return ("Content-Length", str(size))


def begun(tus: Tus, kind: str) -> Connection:
    """A request of that kind, with the first bytes of its body."""
    upload, large = tus.created(100_000), tus.created(5_000_000)
    with ChunkClient(tus.http.port) as chunks:
        fields = {"chunk_size": 1000, "upload_id": chunks.init(), "chunk_index": 0}
    chunk, early = multipart(fields, bytes(1000)), multipart(fields, bytes(1000), file_first=True)
    method, target, headers, sent = {
        "tus": ("PATCH", upload, [VERSION, BYTES, ("Upload-Offset", "0"), length(100_000)], b"hello"),
        "tus, long": ("PATCH", large, [VERSION, BYTES, ("Upload-Offset", "0"), length(5_000_000)], b"hello"),
        "tus, chunked": ("PATCH", upload, [VERSION, BYTES, ("Upload-Offset", "0"), CHUNKED], b"5\r\nhello\r\n"),
        "tus creation": ("POST", "/uploads", [VERSION, BYTES, ("Upload-Length", "9000"), length(9000)], b"hello"),
        "ietf creation": ("POST", "/uploads", [interop(8), COMPLETE, length(9000)], b"hello"),
        "ietf append": ("PATCH", upload, [interop(8), PARTIAL, MORE, ("Upload-Offset", "0"), length(9000)], b"hello"),
        "put": ("PUT", "/upload/slow.bin", [length(9000)], b"hello"),
        "put, chunked": ("PUT", "/upload/slow.bin", [CHUNKED], b"5\r\nhello\r\n"),
        "form": ("POST", "/upload", [FORM, length(9000)], FILE),
        "chunk": ("POST", f"{BASE}/upload/chunk", [CHUNK, length(len(chunk))], chunk[:-500]),
        "chunk before its fields": ("POST", f"{BASE}/upload/chunk", [CHUNK, length(len(early))], early[:-900]),
        "fields": ("POST", f"{BASE}/upload/complete", [CHUNK, length(len(chunk))], chunk[:20]),
    }[kind]
    connection = tus.http.connect()
    connection.send(connection.head_bytes(method, target, headers) + sent)
    return connection


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Tus:
    return Tus(Http(start_module_server(KEEP_ALIVE=f"{IDLE_SECONDS:.0f}s").port))


@pytest.fixture(scope="module")
def dawdlers(server: Tus) -> Iterator[dict[str, Dawdler]]:
    """Clients that are too slow, each in its own way, on a server of their own."""
    http = server.http
    with contextlib.ExitStack() as clients:
        slow: dict[str, Dawdler] = {}

        def dawdle(name: str, connection: Connection, drip: bytes) -> None:
            slow[name] = Dawdler(connection, drip=drip)
            clients.callback(slow[name].close)

        headers = http.connect()
        headers.send(b"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        dawdle("silent", http.connect(), b"")
        dawdle("headers", headers, b"x")
        for kind in BODIES:
            dawdle(f"{kind}: a trickle", begun(server, kind), b"1\r\nx\r\n" if "chunked" in kind else b"x")
            dawdle(f"{kind}: silence", begun(server, kind), b"")
        for route in ROUTES:
            for drip in (b"", b"x"):
                connection = http.connect()
                connection.send_head("GET", route, [length(1000)])
                dawdle(f"{route}: {drip!r}", connection, drip)
        yield slow


@pytest.fixture(scope="module")
def readers(server: Tus) -> Iterator[dict[str, Connection]]:
    """Clients that have asked for much and read nothing."""
    http = server.http
    content = http.request("PUT", "/upload/large.bin", [], bytes(16 << 20)).header("Location") or ""
    large = f"{content}/content"
    asks: dict[str, Callable[[Connection], bytes]] = {
        "a download": lambda wire: wire.head_bytes("GET", large),
        "downloads ahead": lambda wire: wire.head_bytes("GET", large) * 3,
        "the page's files ahead": lambda wire: wire.head_bytes("GET", "/static/vendor/tus-js-client/tus.min.js") * 200,
    }
    with contextlib.ExitStack() as clients:
        idle = {}
        for name, ask in asks.items():
            idle[name] = clients.enter_context(http.connect())
            idle[name]._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
            idle[name].send(ask(idle[name]))
        yield idle


def test_slow_headers_are_cut_off(dawdlers: dict[str, Dawdler], readers: dict[str, Connection]) -> None:
    seconds = dawdlers["headers"].cut_after(within=HEADER_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > HEADER_SECONDS / 2


def test_a_silent_connection_is_cut_off(dawdlers: dict[str, Dawdler]) -> None:
    assert dawdlers["silent"].cut_after(within=IDLE_SECONDS + SLACK_SECONDS) is not None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("drip", [b"", b"x"])
def test_a_slow_body_that_nobody_wants_is_cut_off(dawdlers: dict[str, Dawdler], route: str, drip: bytes) -> None:
    assert dawdlers[f"{route}: {drip!r}"].cut_after(within=BODY_SECONDS + SLACK_SECONDS) is not None


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("how", ["a trickle", "silence"])
def test_a_slow_body_is_cut_off_by_what_clients_take_for_passing(
    dawdlers: dict[str, Dawdler], kind: str, how: str
) -> None:
    """Each by its own time."""
    dawdler = dawdlers[f"{kind}: {how}"]
    seconds = dawdler.cut_after(within=BODY_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > BODY_SECONDS - SLACK_SECONDS
    assert dawdler.status() in (503, None)


def test_what_came_of_a_slow_body_is_kept(server: Tus, dawdlers: dict[str, Dawdler]) -> None:
    assert dawdlers["tus: silence"].cut_after(within=BODY_SECONDS + SLACK_SECONDS) is not None
    offsets = [upload["offset"] for upload in server.open_uploads().values()]
    assert sum(offset == 5 for offset in offsets) >= 3


def test_who_reads_none_of_its_replies_is_let_go(readers: dict[str, Connection]) -> None:
    poll = select.poll()
    waited_for = {reader._socket.fileno(): name for name, reader in readers.items()}
    for number in waited_for:
        poll.register(number, 0)
    until = time.monotonic() + READER_SECONDS + SLACK_SECONDS
    while waited_for and time.monotonic() < until:
        for number, _ in poll.poll(1000):
            poll.unregister(number)
            del waited_for[number]
    assert not waited_for
