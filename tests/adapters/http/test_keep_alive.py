"""Chunk after chunk on one connection: whatever comes there is answered as on a fresh connection."""

import gc
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tornado.httputil import HTTPServerRequest

from adapters.inbound.http.engine import keep_alive
from adapters.inbound.http.engine.keep_alive import Patience
from adapters.inbound.http.engine.wire.connection import Connection as Ours
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.writing.writer import ChunkWriter
from tests.support.exchanges import LOOPS, TUS, WebServer, offset_in, patch_head, serving
from tests.support.wire import Closed, Connection, Header, Response, chunked

KIB, MIB = 1024, 1024 * 1024
HIDDEN = b"POST /uploads HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 7\r\n\r\n"
_NAMES = re.compile(r'"(request_id|timestamp|id|name|created_at|updated_at|expires_at)": *"[^"]*"|[0-9a-f]{32}')
PATIENCE = Patience(linger_seconds=0.3)
PROBE = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"

on_both_loops = pytest.mark.parametrize("loop", LOOPS)


@pytest.fixture
def loop() -> str:
    return "uvloop"


@pytest.fixture
def server(loop: str, tmp_path: Path) -> Iterator[WebServer]:
    with serving(WebServer(tmp_path / "volume", patience=PATIENCE), loop) as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """For tests that look at their own upload alone."""
    with serving(WebServer(tmp_path_factory.mktemp("volume"), patience=PATIENCE)) as server:
        yield server


@pytest.fixture
def wire(server: WebServer) -> Iterator[Connection]:
    with Connection(server.port) as connection:
        yield connection


def on_kept(server: WebServer) -> list[str]:
    """Grows by the path of each chunk that comes on a connection which is there already."""
    followed: list[str] = []
    kept = server.connections.kept
    known = set(kept._idle)
    begin = kept._serving.begin

    def note(connection: Ours, request: HTTPServerRequest) -> None:
        if connection in known and request.method == "PATCH":
            followed.append(request.path)
        known.add(connection)
        begin(connection, request)

    kept._serving.begin = note  # type: ignore[method-assign]
    return followed


def becomes(is_so: Callable[[], bool], *, within: float = 3.0) -> bool:
    until = time.monotonic() + within
    while not is_so() and time.monotonic() < until:
        time.sleep(0.005)
    return is_so()


def send_chunk(wire: Connection, server: WebServer, url: str, data: bytes, *headers: Header, at: int) -> Response:
    wire.send(patch_head(server, url, len(data), *headers, at=at) + data)
    return wire.receive("PATCH")


def is_kept(wire: Connection, server: WebServer) -> bool:
    ours = wire._socket.getsockname()
    return server.call(lambda: any(kept.socket.getpeername() == ours for kept in server.connections.kept._idle))


def keep(wire: Connection, server: WebServer, *, chunks: int = 1) -> None:
    """Have the connection kept; the second of ``chunks`` comes on it so, the third may look just like it."""
    url, at = server.begin(1000), 5
    assert offset_in(send_chunk(wire, server, url, b"first", at=0)) == 5
    assert becomes(lambda: is_kept(wire, server))
    for _ in range(chunks - 1):
        assert offset_in(send_chunk(wire, server, url, b"other", at=at)) == at + 5
        at += 5


def connections() -> int:
    return sum(isinstance(thing, Ours) for thing in gc.get_objects())


def sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@on_both_loops
class TestTheWayThere:
    @pytest.mark.parametrize("size", [1, 5, 700, 64 * KIB, 256 * KIB, 256 * KIB + 1])
    def test_it_is_open_to_a_first_chunk_that_comes_at_once(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        url, data = server.begin(size + 5), os.urandom(size)
        assert offset_in(send_chunk(wire, server, url, data, at=0)) == size
        assert becomes(lambda: is_kept(wire, server))
        assert offset_in(send_chunk(wire, server, url, b"after", at=size)) == size + 5
        assert server.content(url) == data + b"after"

    def test_it_is_open_to_a_first_chunk_whose_body_comes_later(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(5)
        wire.send(patch_head(server, url, 5))
        time.sleep(0.02)
        wire.send(b"hello")
        assert offset_in(wire.receive("PATCH")) == 5
        assert becomes(lambda: is_kept(wire, server))

    @pytest.mark.parametrize("size", [5, 100 * KIB])
    def test_what_was_sent_ahead_is_answered_all_the_same(self, server: WebServer, wire: Connection, size: int) -> None:
        url, data = server.begin(3 * size), os.urandom(3 * size)
        chunks = [patch_head(server, url, size, at=at) + data[at : at + size] for at in range(0, 3 * size, size)]
        wire.send(b"".join(chunks))
        assert [offset_in(wire.receive("PATCH")) for _ in chunks] == [size, 2 * size, 3 * size]
        assert server.content(url) == data


@on_both_loops
class TestManyChunks:
    def test_they_come_on_the_kept_connection(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed, data = on_kept(server), os.urandom(400 * 700)
        url = server.begin(len(data))
        for at in range(0, len(data), 700):
            assert offset_in(send_chunk(wire, server, url, data[at : at + 700], at=at)) == at + 700
        assert followed == [url] * 400
        assert server.content(url) == data

    def test_they_may_follow_without_waiting(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed, data = on_kept(server), os.urandom(60 * KIB)
        url = server.begin(len(data))
        wire.send(
            b"".join(patch_head(server, url, KIB, at=at) + data[at : at + KIB] for at in range(0, len(data), KIB))
        )
        told = [offset_in(wire.receive("PATCH")) for _ in range(60)]
        assert told == [KIB * (number + 1) for number in range(60)]
        assert len(followed) == 60
        assert server.content(url) == data

    @pytest.mark.parametrize("size", [256 * KIB, 256 * KIB + 1, 3 * MIB])
    def test_large_ones_come_between(self, server: WebServer, wire: Connection, size: int) -> None:
        sizes = [10, size, 1, size, 10]
        data = os.urandom(sum(sizes))
        url, at = server.begin(len(data)), 0
        keep(wire, server)
        followed = on_kept(server)
        for one in sizes:
            assert offset_in(send_chunk(wire, server, url, data[at : at + one], at=at)) == at + one
            at += one
        assert len(followed) == 5
        assert server.content(url) == data

    def test_other_requests_come_between_and_it_is_kept_again(self, server: WebServer, wire: Connection) -> None:
        followed, url = on_kept(server), server.begin(100)
        for at in range(0, 100, 10):
            keep(wire, server)
            followed.clear()
            assert offset_in(send_chunk(wire, server, url, b"0123456789", at=at)) == at + 10
            assert followed == [url]
            wire.send_head("HEAD", url, TUS)
            assert offset_in(wire.receive("HEAD")) == at + 10
        assert server.content(url) == b"0123456789" * 10

    def test_one_upload_after_the_other(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed = on_kept(server)
        for number in range(20):
            url = server.begin(10)
            assert offset_in(send_chunk(wire, server, url, b"%05d" % number, at=0)) == 5
            assert offset_in(send_chunk(wire, server, url, b"-done", at=5)) == 10
            assert server.content(url) == b"%05d-done" % number
        assert len(followed) == 40

    def test_a_body_that_comes_later_than_its_head(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(1000)
        keep(wire, server)
        followed = on_kept(server)
        for at in (0, 10):
            wire.send(patch_head(server, url, 10, at=at))
            time.sleep(0.05)
            wire.send(b"01234")
            time.sleep(0.05)
            wire.send(b"56789")
            assert offset_in(wire.receive("PATCH")) == at + 10
        assert len(followed) == 2


class TestHeadsThatDiffer:
    def test_each_is_read_as_it_is(self, server: WebServer, wire: Connection) -> None:
        """In the upload, in a header more or less, in case and spacing, and in the offset's digits."""
        keep(wire, server)
        followed = on_kept(server)
        urls = [server.begin(200_000) for _ in range(3)]
        told, sent = dict.fromkeys(urls, 0), dict.fromkeys(urls, b"")
        spelt = [b"Upload-Offset: ", b"upload-offset: ", b"UPLOAD-OFFSET:", b"Upload-Offset:  ", b"uPLOAD-oFFSET:\t"]
        headers: list[list[Header]] = [[], [("X-More", "1")], [("X-More", "2")], [("X-Request-Id", "mine")]]
        for number in range(400):
            url = urls[number % 3]
            size = (1, 9, 90, 900)[number // 7 % 4]
            data = os.urandom(size)
            head = patch_head(server, url, size, *headers[number // 5 % 4], at=told[url])
            wire.send(head.replace(b"Upload-Offset: ", spelt[number // 4 % 5]) + data)
            answer = wire.receive("PATCH")
            told[url] += size
            sent[url] += data
            assert (answer.status, offset_in(answer)) == (204, told[url])
            assert (answer.header("X-Request-Id") == "mine") is (headers[number // 5 % 4] == headers[3])
        assert len(followed) == 400
        for url in urls:
            staged = server.volume.staged_path(url.rpartition("/")[2])  # type: ignore[arg-type]
            assert staged.read_bytes() == sent[url]

    def test_the_offset_may_grow_and_shrink_by_digits(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed = on_kept(server)
        for url in (server.begin(5000), server.begin(5000)):
            at = 0
            for size in (9, 1, 89, 1, 899, 1):
                assert offset_in(send_chunk(wire, server, url, bytes(size), at=at)) == at + size
                at += size
        assert len(followed) == 12

    def test_it_may_be_the_first_or_the_last_line(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed, url = on_kept(server), server.begin(1000)
        for number in range(12):
            at = number * 5
            lines = patch_head(server, url, 5, at=at).split(b"\r\n")
            offset = next(line for line in lines if line.startswith(b"Upload-Offset"))
            lines.remove(offset)
            lines.insert((1, len(lines) - 2)[number // 4 % 2], offset)
            wire.send(b"\r\n".join(lines) + b"hello")
            assert offset_in(wire.receive("PATCH")) == at + 5
        assert len(followed) == 12

    def test_every_reply_has_a_request_id_of_its_own(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(1000)
        keep(wire, server)
        ids = [send_chunk(wire, server, url, b"x", at=at).header("X-Request-Id") for at in range(50)]
        assert len(set(ids)) == 50
        refused = [send_chunk(wire, server, url, b"x", at=at).json()["request_id"] for at in range(100, 120)]
        assert len(set(refused) - set(ids)) == 20

    def test_every_page_is_told_what_it_may_see(self, tmp_path: Path, loop: str) -> None:
        good = "https://good.example"
        with serving(WebServer(tmp_path / "volume", origins=[good]), loop) as server, Connection(server.port) as wire:
            keep(wire, server)
            followed, url = on_kept(server), server.begin(1000)
            own, at = f"http://127.0.0.1:{server.port}", 0
            for origin in [good, "https://evil.example", None, own, "null"] * 2:
                headers: list[Header] = [("Origin", origin)] if origin else []
                answer = send_chunk(wire, server, url, b"x", *headers, at=at)
                assert answer.status == (204 if origin in (good, own, None) else 403)
                at += answer.status == 204
                assert answer.header("Access-Control-Allow-Origin") == (good if origin == good else None)
                assert answer.header("Vary") == "Origin"
            assert len(followed) == 10


@on_both_loops
class TestHeadsInPieces:
    def test_a_head_may_be_cut_anywhere(self, server: WebServer, wire: Connection) -> None:
        url, at = server.begin(1000), 0
        length = len(patch_head(server, url, 5))
        for cut in (*range(1, length, 11), length - 3, length - 2, length - 1, length):
            keep(wire, server)
            request = patch_head(server, url, 5, at=at) + b"hello"
            wire.send(request[:cut])
            time.sleep(0.005)
            wire.send(request[cut:])
            answer = wire.receive("PATCH")
            assert (answer.status, offset_in(answer)) == (204, at + 5), cut
            at += 5

    def test_a_head_may_come_byte_by_byte(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed, url = on_kept(server), server.begin(20)
        for byte in patch_head(server, url, 10) + b"0123456789":
            wire.send(bytes([byte]))
            time.sleep(0.001)
        assert offset_in(wire.receive("PATCH")) == 10
        assert followed == [url]
        assert offset_in(send_chunk(wire, server, url, b"9876543210", at=10)) == 20

    @pytest.mark.parametrize("size", [3500, 4096, 5000, 20_000])
    def test_a_head_may_be_larger_than_what_is_looked_at(self, server: WebServer, wire: Connection, size: int) -> None:
        url = server.begin(2000)
        for number in range(3):
            keep(wire, server)
            more = ("X-More", "m" * size)
            assert offset_in(send_chunk(wire, server, url, b"hello", more, at=10 * number)) == 10 * number + 5
            assert offset_in(send_chunk(wire, server, url, b"again", at=10 * number + 5)) == 10 * number + 10

    def test_a_head_may_end_where_nobody_looks_further(self, server: WebServer, wire: Connection) -> None:
        url, at = server.begin(200), 0
        room = keep_alive._LOOK_BYTES - len(patch_head(server, url, 10, ("X-More", ""), at=10))
        for missing in range(-6, 7):
            keep(wire, server)
            answer = send_chunk(wire, server, url, b"0123456789", ("X-More", "m" * (room + missing)), at=at)
            at += 10
            assert offset_in(answer) == at

    def test_a_head_too_large_for_anybody_ends_the_connection(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        wire.send(patch_head(server, server.begin(5), 5, ("X-More", "m" * 70_000)) + b"hello")
        assert wire.receive("PATCH").status == 431
        assert wire.ends(within=2)


@dataclass(frozen=True)
class Told:
    """An answer, without what is never the same twice."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    interim: tuple[int, ...]

    @classmethod
    def by(cls, answer: Response) -> "Told":
        once = ["date", "x-request-id", "upload-expires", "location"]
        if b"request_id" in answer.body:
            once.append("content-length")  # ids grow
        headers = tuple((name, "" if name.lower() in once else value) for name, value in answer.headers)
        body = _NAMES.sub("", answer.body.decode())
        return cls(answer.status, headers, body, tuple(one.status for one in answer.interim))


@dataclass
class Talk:
    """What was told on one connection, request by request."""

    answers: list[list[Told]]
    goes_on: bool


def alone(server: WebServer, request: bytes) -> Talk:
    """A connection of its own; its answers come before that to a probe, or before the end."""
    told: list[Told] = []
    with Connection(server.port) as wire, suppress(Closed, OSError):
        wire.send(request)
        told.append(Told.by(wire.receive(method_of(request), within=4)))
        wire.send(PROBE)
        while (answer := wire.receive(within=4)).status != 200 or b"healthy" not in answer.body:
            told.append(Told.by(answer))
        return Talk([told], goes_on=True)
    return Talk([told], goes_on=False)


def one_after_the_other(wire: Connection, requests: list[bytes], like: Talk) -> Talk:
    """Each is sent when the one before has had as many answers as it had there."""
    told: list[list[Told]] = []
    with suppress(Closed, OSError):
        for request, answers in zip(requests, like.answers, strict=True):
            told.append([])
            wire.send(request)
            for number in range(max(1, len(answers))):
                told[-1].append(Told.by(wire.receive(method_of(request) if not number else "GET", within=4)))
        wire.send(PROBE)
        assert b"healthy" in wire.receive(within=4).body
        return Talk(told, goes_on=True)
    return Talk(told, goes_on=False)


def method_of(request: bytes) -> str:
    return request.lstrip().partition(b" ")[0].decode("latin-1")


Request = Callable[[WebServer, str], bytes]


def patch(*swaps: tuple[bytes, bytes], body: bytes = b"hello", at: int = 0) -> Request:
    """A plain chunk of five bytes in which texts are swapped for others."""

    def build(server: WebServer, url: str) -> bytes:
        head = patch_head(server, url, 5, at=at)
        for old, new in swaps:
            assert old in head
            head = head.replace(old, new.replace(b"{url}", url.encode()), 1)
        return head + body

    return build


def whole(text: bytes) -> Request:
    """``{url}`` stands for the upload's."""
    return lambda _, url: text.replace(b"{url}", url.encode())


def offset(line: bytes) -> Request:
    return patch((b"Upload-Offset: 0", line))


def framed(lines: bytes, body: bytes = b"hello") -> Request:
    return patch((b"Content-Length: 5", lines), body=body)


def more(line: bytes, body: bytes = b"hello") -> Request:
    return patch((b"\r\nHost", b"\r\n" + line + b"\r\nHost"), body=body)


def target(text: bytes, body: bytes = b"hello") -> Request:
    return patch((b"PATCH", b"PATCH " + text + b"\r\nX-Was:"), body=body)


def bare_line_feeds(end: bytes, body: bytes) -> Request:
    """The head's last line ends so; RFC 9112 §2.2 lets a server take that for the end of the head."""

    def build(server: WebServer, url: str) -> bytes:
        return patch_head(server, url, 5)[:-4] + end + body

    return build


REQUESTS: dict[str, Request] = {
    "plain": patch(),
    "with another behind it": patch(body=b"hello" + b"OPTIONS /uploads HTTP/1.1\r\nHost: a\r\n\r\n"),
    "with a creation behind it": patch(body=b"hello" + HIDDEN),
    "with junk behind it": patch(body=b"hello" + b"\x16\x03\x01\r\n\r\n"),
    "with a wrong offset": patch(at=7),
    "with a wrong offset and a creation behind it": patch(body=b"hello" + HIDDEN, at=7),
    # Upload-Offset
    "offset of fifteen digits": offset(b"Upload-Offset: 000000000000000"),
    "offset of sixteen digits": offset(b"Upload-Offset: 0000000000000000"),
    "offset of thirty digits": offset(b"Upload-Offset: " + b"0" * 30),
    "offset 007": offset(b"Upload-Offset: 007"),
    "offset +0": offset(b"Upload-Offset: +0"),
    "offset -0": offset(b"Upload-Offset: -0"),
    "offset 0x0": offset(b"Upload-Offset: 0x0"),
    "offset 0.0": offset(b"Upload-Offset: 0.0"),
    "offset 0, 0": offset(b"Upload-Offset: 0, 0"),
    "offset empty": offset(b"Upload-Offset:"),
    "offset of Arabic digits": offset(b"Upload-Offset: \xd9\xa0"),
    "offset with a tab": offset(b"Upload-Offset:\t0"),
    "offset with blanks around": offset(b"Upload-Offset:   0  "),
    "offset with a blank before the colon": offset(b"Upload-Offset : 0"),
    "offset folded": offset(b"Upload-Offset: 0\r\n 0"),
    "offset missing": offset(b"X-Nothing: 0"),
    "offset twice": offset(b"Upload-Offset: 0\r\nUpload-Offset: 0"),
    "offset twice, different": offset(b"Upload-Offset: 0\r\nUpload-Offset: 5"),
    "offset twice, in other letters": offset(b"Upload-Offset: 0\r\nupload-offset: 0"),
    "offset twice, far apart": more(b"Upload-Offset: 0"),
    # Framing
    "length twice": framed(b"Content-Length: 5\r\nContent-Length: 5"),
    "length twice, different": framed(b"Content-Length: 5\r\nContent-Length: 6"),
    "length +5": framed(b"Content-Length: +5"),
    "length -5": framed(b"Content-Length: -5"),
    "length 5, 5": framed(b"Content-Length: 5, 5"),
    "length 0x5": framed(b"Content-Length: 0x5"),
    "length 5.0": framed(b"Content-Length: 5.0"),
    "length 05": framed(b"Content-Length: 05"),
    "length with blanks around": framed(b"Content-Length:   5  "),
    "length with a blank before the colon": framed(b"Content-Length : 5"),
    "length empty": framed(b"Content-Length:"),
    "length of 20 digits": framed(b"Content-Length: " + b"9" * 20),
    "length 5 in 20 digits": framed(b"Content-Length: " + b"0" * 19 + b"5"),
    "length of Arabic digits": framed(b"Content-Length: \xd9\xa5"),
    "length 0": framed(b"Content-Length: 0", b""),
    "length missing": framed(b"X-Nothing: 0", b""),
    "length beyond the upload's": framed(b"Content-Length: 500", bytes(500)),
    "chunked": framed(b"Transfer-Encoding: chunked", chunked(b"hello")),
    "chunked, empty": framed(b"Transfer-Encoding: chunked", chunked()),
    "chunked, with a creation behind it": framed(b"Transfer-Encoding: chunked", chunked(b"hello") + HIDDEN),
    "chunked, and a length": more(b"Transfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN),
    "chunked, in bad letters": framed(b"Transfer-Encoding: \x0bchunked", chunked(b"hello")),
    "chunked, after a blank": framed(b"Transfer-Encoding : chunked", chunked(b"hello")),
    "coding identity": more(b"Transfer-Encoding: identity"),
    "gzip": more(b"Content-Encoding: gzip"),
    "not gzip": more(b"Content-Encoding: identity"),
    "expecting 100": more(b"Expect: 100-continue"),
    "expecting 100 for a wrong offset": patch((b"Host", b"Expect: 100-continue\r\nHost"), at=7),
    "expecting something": more(b"Expect: 200-ok"),
    "upgrading": more(b"Connection: Upgrade\r\nUpgrade: websocket"),
    "closing": more(b"Connection: close"),
    "closing, in other letters": more(b"connection: Close", b"hello" + HIDDEN),
    "keeping alive": more(b"Connection: keep-alive"),
    # What the head is made of
    "HTTP/1.0": patch((b"HTTP/1.1", b"HTTP/1.0")),
    "HTTP/1.0, keeping alive": patch((b"HTTP/1.1", b"HTTP/1.0"), (b"Host", b"Connection: keep-alive\r\nHost")),
    "HTTP/1.2": patch((b"HTTP/1.1", b"HTTP/1.2")),
    "HTTP/2.0": patch((b"HTTP/1.1", b"HTTP/2.0")),
    "HTTP/1.1 in small letters": patch((b"HTTP/1.1", b"http/1.1")),
    "patch in small letters": patch((b"PATCH", b"patch")),
    "two blanks": patch((b" HTTP/1.1", b"  HTTP/1.1")),
    "no version": patch((b" HTTP/1.1", b"")),
    "empty line before": patch((b"PATCH", b"\r\nPATCH")),
    "blank before": patch((b"PATCH", b" PATCH")),
    "no host": patch((b"Host", b"X-Host")),
    "two hosts": more(b"Host: b"),
    "bad host": more(b"Host: a b"),
    "folded header": more(b"X-Folded: a\r\n b"),
    "header without a colon": more(b"nothing"),
    "header with a NUL": more(b"X-Nul: a\x00b"),
    "header with a carriage return": more(b"X-Cr: a\rb"),
    "header that is not ASCII": more(b"X-More: \xe4\xff"),
    "line feeds alone": lambda server, url: patch()(server, url).replace(b"\r\n", b"\n"),
    "line feeds alone after the start": patch((b"HTTP/1.1\r\n", b"HTTP/1.1\n")),
    "line feeds end the head": bare_line_feeds(b"\n\n", b"hello"),
    "line feeds end the head, headers in the body": bare_line_feeds(b"\n\n", b"X: y\n" + HIDDEN),
    "line feeds end the head, one line in the body": bare_line_feeds(b"\n\n", b"X:yz\r\n\r\n" + HIDDEN[4:]),
    "a mixture ends the head": bare_line_feeds(b"\r\n\n", b"X: y\r\n\r\n"),
    "another mixture ends the head": bare_line_feeds(b"\n\r\n", b"X: y\r\n\r\n"),
    # Where to
    "trailing slash": patch((b" HTTP/1.1", b"/ HTTP/1.1")),
    "query": patch((b" HTTP/1.1", b"?a=b&c HTTP/1.1")),
    "query of too many": patch((b" HTTP/1.1", b"?" + b"a=b&" * 900 + b" HTTP/1.1")),
    "fragment": patch((b" HTTP/1.1", b"#a HTTP/1.1")),
    "whole address": patch((b"PATCH ", b"PATCH http://a")),
    "two slashes": patch((b"PATCH ", b"PATCH /")),
    "escaped": patch((b"/uploads", b"/%75ploads")),
    "asterisk": target(b"* HTTP/1.1"),
    "unknown upload": target(b"/uploads/" + b"0" * 32 + b" HTTP/1.1"),
    "no id": target(b"/uploads/x HTTP/1.1"),
    "all uploads": target(b"/uploads HTTP/1.1"),
    "health": target(b"/health HTTP/1.1"),
    "form": target(b"/upload HTTP/1.1"),
    "nowhere": target(b"/nowhere HTTP/1.1"),
    "nowhere, with a creation for a body": patch(
        (b"PATCH", b"PATCH /nowhere HTTP/1.1\r\nX-Was:"), (b"Length: 5", b"Length: %d" % len(HIDDEN)), body=HIDDEN
    ),
    "no upload, with a creation for a body": patch(
        (b"PATCH", b"PATCH /uploads/x HTTP/1.1\r\nX-Was:"), (b"Length: 5", b"Length: %d" % len(HIDDEN)), body=HIDDEN
    ),
    # Other methods
    "GET": whole(b"GET {url} HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HEAD": whole(b"HEAD {url} HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n\r\n"),
    "OPTIONS": whole(b"OPTIONS {url} HTTP/1.1\r\nHost: a\r\n\r\n"),
    "DELETE": whole(b"DELETE {url} HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n\r\n"),
    "DELETE with a body": whole(
        b"DELETE {url} HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nContent-Length: 5\r\n\r\nhello"
    ),
    "DELETE in a header": more(b"X-HTTP-Method-Override: DELETE"),
    "HEAD in a header": more(b"X-HTTP-Method-Override: HEAD"),
    "PUT": whole(b"PUT /upload/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    "creation": whole(HIDDEN),
    "PATCHES": patch((b"PATCH", b"PATCHES")),
    # No request at all
    "TLS": whole(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "an old preface": whole(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "noise": whole(bytes(range(256)) + b"\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("chunks", [1, 2], ids=["behind the first chunk", "behind one like it"])
def test_what_comes_behind_a_chunk_is_answered_as_on_a_fresh_connection(
    shared_server: WebServer, name: str, chunks: int
) -> None:
    """Twice: the second time it looks just like the request before it."""
    server, build = shared_server, REQUESTS[name]
    fresh, kept = server.begin(400), server.begin(400)
    expected = alone(server, build(server, fresh))
    if expected.goes_on:
        again = alone(server, build(server, fresh))
        expected = Talk(expected.answers + again.answers, goes_on=again.goes_on)
    created = len(server.database.uploads)
    with Connection(server.port) as wire:
        keep(wire, server, chunks=chunks)
        told = one_after_the_other(wire, [build(server, kept)] * len(expected.answers), expected)
    for answers, same in zip(told.answers, expected.answers, strict=True):
        assert answers == same
    assert told.goes_on is expected.goes_on
    assert server.offset(kept) == server.offset(fresh)
    succeeded = sum(one.status == 201 for answers in expected.answers for one in answers)
    assert len(server.database.uploads) - created - 1 == succeeded


@pytest.mark.parametrize("line", [b"Upload-Offset: %d\r\nUpload-Offset: 0", b"upload-offset: 0\r\nUpload-Offset: %d"])
def test_two_offsets_are_refused_however_often_they_come(server: WebServer, wire: Connection, line: bytes) -> None:
    """The next request may differ from the last in the one and not in the other."""
    url = server.begin(1000)
    keep(wire, server)
    for at in (0, 0, 5, 0, 10, 0):
        wire.send(patch_head(server, url, 5).replace(b"Upload-Offset: 0", line % at) + b"hello")
        assert wire.receive("PATCH").status == 400
    assert server.offset(url) == 0


@on_both_loops
class TestRefusals:
    def test_a_kept_connection_goes_on_behind_a_refusal(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        followed, url, at = on_kept(server), server.begin(1000), 0
        offset_line = b"Upload-Offset: "
        refusals: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
            "a wrong offset": (409, lambda head: head.replace(offset_line, offset_line + b"9")),
            "an unknown upload": (404, lambda head: head.replace(url.encode(), b"/uploads/" + b"0" * 32)),
            "another type": (415, lambda head: head.replace(b"application/offset", b"application/other")),
            "a bad checksum": (460, lambda head: head.replace(b"Host", b"Upload-Checksum: crc32 AAAAAA==\r\nHost")),
            "an unknown checksum": (400, lambda head: head.replace(b"Host", b"Upload-Checksum: x AAAA\r\nHost")),
            "another version": (412, lambda head: head.replace(b"1.0.0", b"0.2.2")),
        }
        assert send_chunk(wire, server, url, b"hello", at=at).status == 204
        for number, (status, spoil) in enumerate([*refusals.values()] * 2):
            at += 5
            request = patch_head(server, url, 5, at=at)
            wire.send(spoil(request) + b"wrong")
            assert wire.receive("PATCH").status == status
            assert server.offset(url) == at
            wire.send(request + b"right")
            assert offset_in(wire.receive("PATCH")) == at + 5
            assert len(followed) == 2 * (number + 1) + 1
        staged = server.volume.staged_path(url.rpartition("/")[2])  # type: ignore[arg-type]
        assert staged.read_bytes() == b"hello" + b"right" * 2 * len(refusals)

    @pytest.mark.parametrize("size", [1001, 300 * KIB, 2 * MIB])
    def test_more_than_there_is_room_for_is_refused_and_read_past(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        url = server.begin(1000)
        keep(wire, server)
        followed = on_kept(server)
        body = (HIDDEN * (size // len(HIDDEN) + 1))[:size]
        assert send_chunk(wire, server, url, body, at=0).status == 413
        assert server.offset(url) == 0
        assert offset_in(send_chunk(wire, server, url, bytes(1000), at=0)) == 1000
        assert len(followed) == 2
        assert len(server.database.uploads) == 2

    def test_a_finished_and_an_ended_upload_take_no_more(self, server: WebServer, wire: Connection) -> None:
        finished, gone = server.begin(5), server.begin(5)
        assert server.http.request("DELETE", gone).status == 204
        keep(wire, server)
        assert send_chunk(wire, server, finished, b"hello", at=0).status == 204
        for _ in range(3):
            assert send_chunk(wire, server, finished, b"hello", at=5).status in (403, 409, 413)
            assert send_chunk(wire, server, gone, b"hello", at=0).status == 410
        assert server.content(finished) == b"hello"

    def test_a_refused_body_that_never_comes_ends_the_connection(self, server: WebServer, wire: Connection) -> None:
        keep(wire, server)
        wire.send(patch_head(server, "/uploads/" + "0" * 32, 100) + b"x")
        assert wire.receive("PATCH").status == 404
        assert wire.ends(within=2)


@on_both_loops
class TestClientsThatGoAway:
    @pytest.mark.parametrize("leave", [Connection.close, Connection.reset, Connection.finish_sending])
    @pytest.mark.parametrize("sent", ["nothing", "half a head", "a head", "half a body"])
    def test_nothing_is_left_of_them_but_their_prefix(
        self, server: WebServer, leave: Callable[[Connection], None], sent: str
    ) -> None:
        url = server.begin(1000)
        before = sockets()
        wire = Connection(server.port)
        keep(wire, server)
        for at in range(0, 30, 10):
            assert offset_in(send_chunk(wire, server, url, b"0123456789", at=at)) == at + 10
        head = patch_head(server, url, 100, at=30)
        wire.send({"nothing": b"", "half a head": head[:50], "a head": head}.get(sent, head + bytes(40)))
        time.sleep(0.05)
        leave(wire)
        kept = 70 if sent == "half a body" else 30
        assert becomes(lambda: server.offset(url) == kept)
        if leave is Connection.finish_sending:
            assert wire.ends(within=2)
            wire.close()
        assert becomes(lambda: not server.connections.running)
        assert becomes(lambda: sockets() <= before), "the server still holds the connection"
        assert server.call(lambda: len(server.connections.kept._idle)) == 0
        assert server.call(lambda: server.connections.watchdog._watched) == {}
        headers: list[Header] = [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", str(kept))]
        assert server.http.request("PATCH", url, headers, bytes(1000 - kept)).status == 204

    def test_a_hanging_chunk_on_a_kept_connection_gives_way_to_whoever_asks(
        self, server: WebServer, wire: Connection
    ) -> None:
        url = server.begin(1000)
        keep(wire, server)
        assert offset_in(send_chunk(wire, server, url, b"0123456789", at=0)) == 10
        assert offset_in(send_chunk(wire, server, url, b"0123456789", at=10)) == 20
        wire.send(patch_head(server, url, 100, at=20) + bytes(30))
        time.sleep(0.05)
        begun = time.monotonic()
        answer = server.http.request("HEAD", url)
        assert (answer.status, offset_in(answer)) == (200, 50)
        assert time.monotonic() - begun < 2
        assert wire.receive("PATCH").status == 409
        assert wire.ends(within=2)


def test_less_patience_with_idle_ones_than_with_heads_is_kept_to(tmp_path: Path) -> None:
    """``KEEP_ALIVE=5s``: what waits longer for its head does not put off the look at those that are idle."""
    patience = Patience(idle_seconds=0.2)
    with (
        serving(WebServer(tmp_path / "volume", patience=patience)) as server,
        Connection(server.port) as idle,
        Connection(server.port),
    ):
        keep(idle, server)
        assert idle.ends(within=2)


class TestIdleConnections:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[WebServer]:
        patience = Patience(idle_seconds=0.5, head_seconds=0.3)
        with serving(WebServer(tmp_path / "volume", patience=patience)) as server:
            yield server

    def test_a_silent_one_is_closed_and_a_busy_one_beside_it_is_not(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(1000)
        with Connection(server.port) as fresh, Connection(server.port) as busy:
            keep(wire, server)
            for at in range(60):
                assert send_chunk(busy, server, url, b"x", at=at).status == 204
                time.sleep(0.01)
            assert wire.ends(within=1)
            assert fresh.ends(within=1)
            assert send_chunk(busy, server, url, b"x", at=60).status == 204

    def test_a_head_that_never_ends_is_not_waited_for_as_long(self, server: WebServer, wire: Connection) -> None:
        begun = time.monotonic()
        wire.send(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        for _ in range(4):
            time.sleep(0.05)
            wire.send(b"X: y\r\n")
        assert wire.ends(within=1)
        assert time.monotonic() - begun < 0.48
        assert server.call(lambda: len(server.connections.kept._begun)) == 0


@on_both_loops
class TestTheEnd:
    def test_what_a_client_leaves_is_gone_with_it(self, server: WebServer) -> None:
        """In a ring it would wait for a search for garbage, and those for what is old are hours apart."""
        gc.collect()
        before, kept = connections(), list[int]()
        gc.disable()
        try:
            for _ in range(3):
                with Connection(server.port) as wire:
                    keep(wire, server, chunks=3)
                    kept.append(connections() - before)
            assert all(kept), "none was there"
            assert becomes(lambda: connections() <= before)
        finally:
            gc.enable()

    def test_a_stopped_server_leaves_no_socket(self, tmp_path: Path, loop: str) -> None:
        before = sockets()
        wires = []
        with serving(WebServer(tmp_path / "volume"), loop) as server:
            for number in range(10):
                wire = Connection(server.port)
                wires.append(wire)
                keep(wire, server, chunks=number % 3 + 1)
            wires[0].send(patch_head(server, server.begin(10), 10)[:60])
            wires[1].send(patch_head(server, server.begin(10), 10))
            wires[2].send(patch_head(server, server.begin(10), 10) + b"01234")
            time.sleep(0.05)
        for wire in wires:
            assert wire.ends(within=1)
            wire.close()
        assert sockets() <= before

    def test_a_chunk_that_comes_while_draining_is_told_so(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(1000)
        keep(wire, server)
        assert send_chunk(wire, server, url, b"hello", at=0).status == 204
        assert send_chunk(wire, server, url, b"hello", at=5).status == 204
        server.call(server.drain.begin)
        for _ in range(2):
            answer = send_chunk(wire, server, url, b"hello", at=10)
            assert (answer.status, answer.header("Retry-After") is not None) == (503, True)
            assert "try again" in answer.json()["detail"] and "HEAD" in answer.json()["detail"]
        assert server.offset(url) == 10

    def test_one_that_ends_after_the_kept_are_closed_is_answered_and_let_go(
        self, server: WebServer, wire: Connection
    ) -> None:
        url = server.begin(10)
        keep(wire, server)
        wire.send(patch_head(server, url, 10) + b"01234")
        assert becomes(lambda: len(server.connections.running) == 1)
        server.call(server.connections.kept.close)
        wire.send(b"56789")
        assert offset_in(wire.receive("PATCH")) == 10
        assert wire.ends(within=1)


class Client:
    """Sends chunks of three uploads in turn, one or two at once, wrong ones among them, and looks who is meant."""

    def __init__(self, server: WebServer, number: int) -> None:
        self.faults: list[str] = []
        self.urls = [server.begin(60_000) for _ in range(3)]
        self.digests = {url: hashlib.sha256() for url in self.urls}
        self.offsets = dict.fromkeys(self.urls, 0)
        self._server = server
        self._number = number
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _work(self) -> None:
        with Connection(self._server.port) as wire:
            keep(wire, self._server)
            for turn in range(40):
                urls = (self.urls[turn // 9 % 3], self.urls[turn % 3])[: 1 + turn % 2]
                asked = [self._chunk(turn, url, is_wrong=turn % 5 == 4) for url in urls]
                wire.send(b"".join(request for request, _ in asked))
                for _, expected in asked:
                    answer = wire.receive("PATCH")
                    told = (answer.status, offset_in(answer), answer.header("X-Request-Id"))
                    if told != (*expected[:2], expected[2] or told[2]):
                        self.faults.append(f"{self._number}, {turn}: {told} for {expected}")

    def _chunk(self, turn: int, url: str, *, is_wrong: bool) -> tuple[bytes, tuple[int, int, str]]:
        """The request and what its answer has to say; many heads differ from the last in the offset alone."""
        data = os.urandom(1 + (turn // 10 * 97 + self._number) % 600)
        mark = f"{self._number}.{turn}" if turn % 10 < 4 else ""
        headers: list[Header] = [("X-Request-Id", mark)] if mark else []
        request = patch_head(self._server, url, len(data), *headers, at=self.offsets[url] + 7 * is_wrong) + data
        if is_wrong:
            return request, (409, self.offsets[url], mark)
        self.offsets[url] += len(data)
        self.digests[url].update(data)
        return request, (204, self.offsets[url], mark)


@on_both_loops
@pytest.mark.parametrize("storage", ["threads", "beside"])
def test_under_crossfire_every_client_is_told_of_its_own_chunk(tmp_path: Path, loop: str, storage: str) -> None:
    """The last request of a kept connection is used again for the next one: nothing of it may be seen by another."""

    def beside(web: WebServer) -> VolumeChunkStorage:
        return VolumeChunkStorage(web.volume, web.threads, writer=ChunkWriter(web.volume, Durability.ACK))

    with serving(WebServer(tmp_path / "volume", storage=beside if storage == "beside" else None), loop) as server:
        followed = on_kept(server)
        clients = [Client(server, number) for number in range(12)]
        for client in clients:
            client.join()
        assert [client.faults for client in clients] == [[]] * 12
        assert len(followed) > 500
        for client in clients:
            for url in client.urls:
                assert server.offset(url) == client.offsets[url]
                staged = server.volume.staged_path(url.rpartition("/")[2])  # type: ignore[arg-type]
                assert hashlib.sha256(staged.read_bytes()).digest() == client.digests[url].digest()
        if (writer := server.chunks._writer) is not None:  # type: ignore[attr-defined]
            assert writer.is_ready, "it was never there"
            server.run(writer.close())
