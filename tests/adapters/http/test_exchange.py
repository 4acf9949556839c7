"""Requests over bare sockets: large bodies straight from the socket, keep-alive behind them, cuts, and framing
that means harm."""

import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.upload_state import UploadState
from tests.support.exchanges import LOOPS, TUS, WebServer, offset_in, patch_head, serving
from tests.support.until import until
from tests.support.wire import Closed, Connection, Header, chunked

KIB, MIB = 1024, 1024 * 1024
LARGE = 3 * MIB + 7  # more than 1 MiB of a known length: the socket is read in a thread
SHORT = 100 * KIB  # taken before anybody asks, as far as it has come
HIDDEN = b"POST /uploads HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 7\r\n\r\n"


on_both_loops = pytest.mark.parametrize("loop", LOOPS)
"""Where the loop's own treatment of sockets matters."""


@pytest.fixture
def loop() -> str:
    return "uvloop"


@pytest.fixture
def server(loop: str, tmp_path: Path) -> Iterator[WebServer]:
    with serving(WebServer(tmp_path / "volume"), loop) as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """For tests that leave nothing in it."""
    with serving(WebServer(tmp_path_factory.mktemp("volume"))) as server:
        yield server


@pytest.fixture
def wire(server: WebServer) -> Iterator[Connection]:
    with Connection(server.port) as connection:
        yield connection


def becomes(is_so: Callable[[], bool], *, within: float = 3.0) -> bool:
    until = time.monotonic() + within
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def reaches(server: WebServer, url: str, offset: int, *, within: float = 3.0) -> bool:
    """Whether just so much is recorded in time."""
    return becomes(lambda: server.offset(url) >= offset, within=within) and server.offset(url) == offset


def send_all(connection: Connection, data: bytes) -> threading.Thread:
    """Send in the background, until the server hangs up."""

    def work() -> None:
        try:
            connection.send(data)
        except OSError:
            return

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@on_both_loops
class TestLargeBodies:
    @pytest.mark.parametrize("size", [MIB, MIB + 1, LARGE, 20 * MIB])
    def test_a_body_right_behind_its_head_is_stored_to_the_byte(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        data, url = os.urandom(size), server.begin(size)
        wire.send(patch_head(server, url, size) + data)
        answer = wire.receive("PATCH")
        assert (answer.status, offset_in(answer)) == (204, size)
        assert server.content(url) == data

    @pytest.mark.parametrize("piece", [5000, 64 * KIB, 300 * KIB])
    def test_a_body_in_pieces_with_pauses_is_stored_to_the_byte(
        self, server: WebServer, wire: Connection, piece: int
    ) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE))
        time.sleep(0.02)
        for number, start in enumerate(range(0, LARGE, piece)):
            wire.send(data[start : start + piece])
            if number % 16 == 0:
                time.sleep(0.012)
        assert wire.receive("PATCH").status == 204
        assert server.content(url) == data

    def test_the_connection_lives_on(self, server: WebServer, wire: Connection) -> None:
        """Large and short bodies, and requests without any, one after the other on the same connection."""
        for _ in range(3):
            data, url = os.urandom(LARGE + SHORT), server.begin(LARGE + SHORT)
            wire.send(patch_head(server, url, LARGE) + data[:LARGE])
            assert offset_in(wire.receive("PATCH")) == LARGE
            wire.send(patch_head(server, url, SHORT, at=LARGE) + data[LARGE:])
            assert offset_in(wire.receive("PATCH")) == LARGE + SHORT
            wire.send_head("GET", url)
            assert wire.receive().body == data

    def test_the_request_right_behind_the_body_is_answered(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE) + data + wire.head_bytes("HEAD", url, TUS))
        assert wire.receive("PATCH").status == 204
        answer = wire.receive("HEAD")
        assert (answer.status, offset_in(answer)) == (200, LARGE)
        assert server.content(url) == data

    @pytest.mark.parametrize("size", [MIB, MIB + 10, MIB + 300 * KIB])
    def test_nothing_of_the_next_request_is_taken_for_the_body(self, tmp_path: Path, loop: str, size: int) -> None:
        """Both are in the kernel when the server gets to look at them."""
        web = WebServer(tmp_path / "volume")
        web.receive_buffer = 4 * MIB
        with serving(web, loop) as server:
            data, url = os.urandom(size), server.begin(size)
            with Connection(server.port) as wire:
                request = patch_head(server, url, size) + data + wire.head_bytes("HEAD", url, TUS)
                server.later(lambda: time.sleep(0.5))
                wire.send(request)
                assert offset_in(wire.receive("PATCH")) == size
                assert offset_in(wire.receive("HEAD")) == size
            assert server.content(url) == data

    def test_many_large_bodies_may_follow_without_waiting(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(5 * MIB), server.begin(5 * MIB)
        requests = [patch_head(server, url, MIB, at=at) + data[at : at + MIB] for at in range(0, 5 * MIB, MIB)]
        sending = send_all(wire, b"".join(requests))
        assert [offset_in(wire.receive("PATCH")) for _ in requests] == [number * MIB for number in range(1, 6)]
        sending.join()
        assert server.content(url) == data

    def test_a_short_body_follows_a_large_one_without_waiting(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(LARGE + 10), server.begin(LARGE + 10)
        large = patch_head(server, url, LARGE) + data[:LARGE]
        sending = send_all(wire, large + patch_head(server, url, 10, at=LARGE) + data[LARGE:])
        assert [offset_in(wire.receive("PATCH")) for _ in range(2)] == [LARGE, LARGE + 10]
        sending.join()
        assert server.content(url) == data

    def test_more_uploads_at_once_than_there_are_threads(self, server: WebServer) -> None:
        bodies = [os.urandom(LARGE + number) for number in range(10)]
        urls = [server.begin(len(body)) for body in bodies]
        wires = [Connection(server.port) for _ in bodies]
        for wire, url, body in zip(wires, urls, bodies, strict=True):
            wire.send(patch_head(server, url, len(body)) + body[:MIB])
        sending = [send_all(wire, body[MIB:]) for wire, body in zip(wires, bodies, strict=True)]
        assert [wire.receive("PATCH").status for wire in wires] == [204] * 10
        for thread, wire in zip(sending, wires, strict=True):
            thread.join()
            wire.close()
        assert [server.content(url) for url in urls] == bodies

    def test_a_file_by_one_request_is_stored_to_the_byte(self, server: WebServer, wire: Connection) -> None:
        data = os.urandom(LARGE)
        wire.send(wire.head_bytes("PUT", "/upload/holiday.mov", [("Content-Length", str(LARGE))]) + data)
        answer = wire.receive("PUT")
        assert answer.status == 201
        wire.send_head("GET", (answer.header("Location") or "") + "/content")
        assert wire.receive().body == data

    @pytest.mark.parametrize("good", [True, False])
    def test_a_large_body_is_compared_with_its_checksum(self, server: WebServer, wire: Connection, good: bool) -> None:
        url = server.begin(LARGE)
        data = os.urandom(LARGE)
        digest = base64.b64encode(hashlib.sha256(data if good else b"").digest()).decode()
        wire.send(patch_head(server, url, LARGE, ("Upload-Checksum", f"sha256 {digest}")) + data)
        answer = wire.receive("PATCH")
        assert answer.status == (204 if good else 460)
        assert server.offset(url) == (LARGE if good else 0)

    @pytest.mark.parametrize(
        ("version", "headers"), [("HTTP/1.1", [("Connection", "close")]), ("HTTP/1.0", []), ("HTTP/1.1", [])]
    )
    def test_the_connection_is_closed_where_the_client_wants_it(
        self, server: WebServer, wire: Connection, version: str, headers: list[Header]
    ) -> None:
        url = server.begin(LARGE)
        head = patch_head(server, url, LARGE, *headers).replace(b"HTTP/1.1", version.encode())
        wire.send(head + bytes(LARGE))
        assert wire.receive("PATCH").status == 204
        wants_close = bool(headers) or version == "HTTP/1.0"
        assert wire.ends(within=2 if wants_close else 0.3) is wants_close


class TestExpect:
    @pytest.mark.parametrize("size", [SHORT, LARGE])
    @pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
    def test_the_body_is_asked_for(self, server: WebServer, wire: Connection, size: int, value: str) -> None:
        data, url = os.urandom(size), server.begin(size)
        wire.send(patch_head(server, url, size, ("Expect", value)))
        assert wire.take(25)[:12] == b"HTTP/1.1 100"
        wire.send(data)
        rest = wire.receive("PATCH") if size == LARGE else None
        if rest is not None:
            assert rest.status == 204
        assert reaches(server, url, size)

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_a_refusal_comes_instead_of_being_asked(self, server: WebServer, wire: Connection, size: int) -> None:
        url = server.begin(size + 1)
        wire.send(patch_head(server, url, size, ("Expect", "100-continue"), at=1))
        answer = wire.receive("PATCH", within=1.5)
        assert (answer.status, answer.interim) == (409, ())
        assert wire.ends(within=3)
        assert server.offset(url) == 0

    def test_a_client_that_does_not_wait_is_served_all_the_same(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE, ("Expect", "100-continue")) + data)
        answer = wire.receive("PATCH")
        assert answer.status == 204
        assert len(answer.interim) <= 1
        assert server.content(url) == data


class TestRefusals:
    """They come before the body does; the client may go on sending for a while and still reads its answer."""

    @pytest.mark.parametrize("size", [SHORT, LARGE, 40 * MIB])
    def test_the_answer_arrives_although_the_client_goes_on_sending(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        url = server.begin(size + 1)
        sending = send_all(wire, patch_head(server, url, size, at=1) + bytes(size))
        begun = time.monotonic()
        assert wire.receive("PATCH").status == 409
        assert time.monotonic() - begun < 2
        sending.join(5)
        assert not sending.is_alive()
        assert server.offset(url) == 0
        if size <= LARGE:  # it has been read to its end: the connection can go on
            wire.send_head("GET", "/health")
            assert wire.receive().status == 200
        else:
            assert wire.ends(within=5)

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_the_answer_arrives_after_the_whole_body_was_sent(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        url = server.begin(size + 1)
        wire.send(patch_head(server, url, size, at=1) + bytes(size))
        time.sleep(0.2)
        assert wire.receive("PATCH").status == 409

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_a_client_that_reads_only_when_all_is_sent_can_send_it_all(self, tmp_path: Path, size: int) -> None:
        web = WebServer(tmp_path / "volume")
        web.receive_buffer = 16 * KIB
        with serving(web) as server, Connection(server.port) as wire:
            wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
            wire.send(patch_head(server, "/uploads/" + "0" * 32, size) + bytes(size))
            assert wire.receive("PATCH").status == 404

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_nothing_of_a_refused_body_is_taken_for_the_next_request(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        url = server.begin(size + 1)
        body = (HIDDEN * (size // len(HIDDEN) + 1))[:size]
        sending = send_all(wire, patch_head(server, url, size, at=1) + body)
        assert wire.receive("PATCH").status == 409
        sending.join(5)
        wire.ends(within=0.5)
        assert len(server.database.uploads) == 1

    def test_a_client_that_stays_silent_after_its_refusal_is_let_go(self, server: WebServer, wire: Connection) -> None:
        for size in (SHORT, LARGE):
            with Connection(server.port) as other:
                other.send(patch_head(server, "/uploads/" + "0" * 32, size) + b"x")
                assert other.receive("PATCH").status == 404
                assert other.ends(within=4)
        assert server.call(lambda: len(server.connections.running)) == 0

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x"])
    def test_an_encoded_body_is_refused(self, server: WebServer, wire: Connection, size: int, encoding: str) -> None:
        url = server.begin(size)
        wire.send(patch_head(server, url, size, ("Content-Encoding", encoding)) + bytes(size))
        assert wire.receive("PATCH").status == 415
        assert server.offset(url) == 0

    def test_an_encoded_body_creates_nothing(self, server: WebServer) -> None:
        encoded: list[Header] = [("Content-Encoding", "gzip")]
        creating: list[Header] = [("Upload-Length", "3"), ("Content-Type", "application/offset+octet-stream")]
        assert server.http.request("POST", "/uploads", [*creating, *encoded], b"abc").status == 415
        assert server.http.request("PUT", "/upload/a", encoded, b"abc").status == 415
        assert server.http.request("POST", "/upload", encoded, b"abc").status == 415
        assert server.database.uploads == {}

    def test_a_body_as_it_is_may_say_so(self, server: WebServer) -> None:
        assert server.http.request("PUT", "/upload/a", [("Content-Encoding", "Identity")], b"abc").status == 201

    def test_a_large_body_with_another_method_in_a_header_is_served_as_that(self, server: WebServer) -> None:
        url = server.begin(LARGE)
        override = ("X-HTTP-Method-Override", "DELETE")
        assert server.http.request("PATCH", url, [override], bytes(LARGE)).status == 204
        assert server.http.request("HEAD", url).status == 410


@on_both_loops
class TestCutBodies:
    @pytest.mark.parametrize("size", [LARGE, SHORT, None])
    @pytest.mark.parametrize("sent", [0, 1, 100 * KIB - 1, 2 * MIB])
    def test_a_client_that_goes_away_leaves_its_prefix(
        self, server: WebServer, wire: Connection, size: int | None, sent: int
    ) -> None:
        if size is not None and sent >= size:
            return
        data, url = os.urandom(LARGE), server.begin(LARGE)
        body = data[:sent]
        if size is None and body:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        wire.send(patch_head(server, url, size) + body)
        if not sent:
            time.sleep(0.2)  # it has to be the older one
        wire.close()
        assert reaches(server, url, sent)
        rest = server.http.request("PATCH", url, self._at(sent), data[sent:])
        assert (rest.status, server.content(url)) == (204, data)

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_a_client_that_only_stops_sending_is_told_how_it_went(
        self, server: WebServer, wire: Connection, size: int
    ) -> None:
        """Its bytes count, but it is no success."""
        url = server.begin(size)
        wire.send(patch_head(server, url, size) + bytes(size // 2))
        time.sleep(0.1)
        wire.finish_sending()
        assert wire.receive("PATCH").status == 503
        assert reaches(server, url, size // 2)

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_a_reset_keeps_what_had_been_read(self, server: WebServer, wire: Connection, size: int) -> None:
        data, url = os.urandom(size), server.begin(size)
        wire.send(patch_head(server, url, size) + data[: size // 2])
        time.sleep(0.2)
        wire.reset()
        assert reaches(server, url, size // 2)
        rest = server.http.request("PATCH", url, self._at(size // 2), data[size // 2 :])
        assert (rest.status, server.content(url)) == (204, data)

    def test_a_reset_in_the_middle_of_everything_loses_nothing_recorded(self, server: WebServer) -> None:
        data = os.urandom(30 * MIB)
        for _ in range(5):
            url = server.begin(len(data))
            with Connection(server.port) as wire:
                sending = send_all(wire, patch_head(server, url, len(data)) + data)
                time.sleep(0.02)
                wire.reset()
                sending.join(5)
            answer = server.http.request("HEAD", url)
            at = offset_in(answer)
            rest = server.http.request("PATCH", url, self._at(at), data[at:])
            assert (rest.status, server.content(url)) == (204, data)

    def test_a_file_whose_only_request_was_cut_is_not_kept(self, server: WebServer, wire: Connection) -> None:
        wire.send(wire.head_bytes("PUT", "/upload/a", [("Content-Length", str(LARGE))]) + bytes(2 * MIB))
        wire.close()
        uploads = server.database.uploads
        assert becomes(lambda: [upload.state for upload in uploads.values()] == [UploadState.ABORTED])
        assert becomes(lambda: not server.connections.running)
        assert server.database.files == {}
        assert not any(path.is_file() for path in server.volume.staged.rglob("*"))

    @staticmethod
    def _at(offset: int) -> list[Header]:
        return [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", str(offset))]


@on_both_loops
class TestTakingOver:
    @pytest.mark.parametrize("size", [SHORT, LARGE, None])
    @pytest.mark.parametrize("sent", [0, 50 * KIB])
    def test_a_silent_body_gives_way_to_whoever_asks(
        self, server: WebServer, wire: Connection, size: int | None, sent: int
    ) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        body = data[:sent] if size or not sent else b"%x\r\n%b\r\n" % (sent, data[:sent])
        wire.send(patch_head(server, url, size) + body)
        time.sleep(0.1)
        begun = time.monotonic()
        answer = server.http.request("HEAD", url)
        assert time.monotonic() - begun < 1
        assert (answer.status, offset_in(answer)) == (200, sent)
        assert wire.receive("PATCH").status == 409
        assert wire.ends(within=4)

    def test_a_body_at_full_speed_gives_way_and_none_of_it_comes_late(
        self, server: WebServer, wire: Connection
    ) -> None:
        size = 400 * MIB
        url = server.begin(size)
        sending = send_all(wire, patch_head(server, url, size) + b"a" * size)
        staged = server.volume.staged_path(url.rpartition("/")[2])  # type: ignore[arg-type]
        until(lambda: staged.exists() and staged.stat().st_size, "nothing came")
        begun = time.monotonic()
        answer = server.http.request("HEAD", url)
        assert time.monotonic() - begun < 2
        at = offset_in(answer)
        assert 0 < at < size
        assert wire.receive("PATCH").status == 409
        time.sleep(0.1)
        assert server.offset(url) == at
        assert staged.stat().st_size >= at
        wire.close()
        sending.join(5)

    def test_a_body_that_asked_for_leave_and_never_came_gives_way(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE, ("Expect", "100-continue")))
        assert wire.take(25)[:12] == b"HTTP/1.1 100"
        begun = time.monotonic()
        assert server.http.request("DELETE", url).status == 204
        assert time.monotonic() - begun < 1
        assert wire.receive("PATCH").status == 409


class TestPauses:
    @pytest.mark.parametrize("size", [LARGE, None])
    def test_what_came_before_a_pause_is_recorded_within_moments(
        self, server: WebServer, wire: Connection, size: int | None
    ) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        half = data[: 2 * MIB]
        body = half if size else b"%x\r\n%b\r\n" % (len(half), half)
        wire.send(patch_head(server, url, size) + body)
        assert reaches(server, url, len(half), within=2.5)
        rest = data[2 * MIB :]
        wire.send(rest if size else chunked(rest))
        assert wire.receive("PATCH").status == 204
        assert server.content(url) == data

    @pytest.mark.parametrize("size", [LARGE, None])
    def test_a_slow_body_is_recorded_as_it_comes(self, server: WebServer, wire: Connection, size: int | None) -> None:
        url = server.begin(LARGE)
        wire.send(patch_head(server, url, size))
        seen = set()
        for _ in range(24):
            wire.send(bytes(1000) if size else b"%x\r\n%b\r\n" % (1000, bytes(1000)))
            time.sleep(0.1)
            seen.add(server.offset(url))
        assert len(seen) >= 3
        assert max(seen) >= 10_000


class TestTheWatchdog:
    @pytest.fixture(autouse=True)
    def impatient(self, server: WebServer) -> None:
        def shorten() -> None:
            server.connections.watchdog.period_seconds = 0.25
            server.connections.watchdog.least_bytes = 1000

        server.call(shorten)

    @pytest.mark.parametrize("size", [SHORT, LARGE, None])
    @pytest.mark.parametrize("sent", [b"", b"x" * 500])
    def test_a_body_that_does_not_come_is_ended(
        self, server: WebServer, wire: Connection, size: int | None, sent: bytes
    ) -> None:
        url = server.begin(LARGE)
        body = sent if size or not sent else b"%x\r\n%b\r\n" % (len(sent), sent)
        wire.send(patch_head(server, url, size) + body)
        answer = wire.receive("PATCH", within=3)
        assert (answer.status, answer.json()["code"], answer.header("Retry-After")) == (503, "body_cut", "5")
        assert server.offset(url) == len(sent)
        assert wire.ends(within=4)

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    @pytest.mark.parametrize("pause", [0.002, 0.05])
    def test_a_body_that_trickles_is_ended(self, server: WebServer, wire: Connection, size: int, pause: float) -> None:
        """However small the pauses: it is the bytes in a period that count."""
        url = server.begin(size)
        wire.send(patch_head(server, url, size))
        until = time.monotonic() + 4
        while not wire.has_data(within=0) and time.monotonic() < until:
            wire.send(b"x")
            time.sleep(pause)
        assert wire.receive("PATCH", within=0.1).status == 503
        assert 0 < server.offset(url) < 2000

    @pytest.mark.parametrize("size", [SHORT, LARGE])
    def test_a_slow_body_that_keeps_coming_is_left_alone(self, server: WebServer, wire: Connection, size: int) -> None:
        server.call(lambda: setattr(server.connections.watchdog, "period_seconds", 1.0))  # a busy machine pauses, too
        url = server.begin(size)
        wire.send(patch_head(server, url, size))
        for _ in range(30):
            wire.send(bytes(500))
            time.sleep(0.05)
        assert not wire.has_data(within=0)
        wire.send(bytes(size - 15_000))
        assert wire.receive("PATCH").status == 204

    def test_requests_that_are_over_are_not_watched(self, server: WebServer) -> None:
        for size in (SHORT, LARGE):
            url = server.begin(size)
            headers: list[Header] = [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", "0")]
            server.http.request("PATCH", url, headers, bytes(size))
        assert server.call(lambda: server.connections.watchdog._watched) == {}


class TestChunkedBodies:
    @pytest.mark.parametrize("piece", [1, 1000, 64 * KIB, LARGE])
    def test_they_are_stored_to_the_byte(self, server: WebServer, wire: Connection, piece: int) -> None:
        data = os.urandom(3000 if piece == 1 else LARGE)
        url = server.begin(len(data))
        pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
        wire.send(patch_head(server, url, None) + chunked(*pieces))
        assert wire.receive("PATCH").status == 204
        assert server.content(url) == data

    def test_the_request_right_behind_is_answered(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(SHORT), server.begin(SHORT)
        wire.send(patch_head(server, url, None) + chunked(data) + wire.head_bytes("HEAD", url, TUS))
        assert wire.receive("PATCH").status == 204
        assert offset_in(wire.receive("HEAD")) == SHORT

    def test_an_empty_one_changes_nothing(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(5)
        wire.send(patch_head(server, url, None) + chunked())
        assert offset_in(wire.receive("PATCH")) == 0

    @pytest.mark.parametrize("over", [1, 70 * KIB])
    def test_one_that_runs_over_is_refused(self, server: WebServer, wire: Connection, over: int) -> None:
        url = server.begin(SHORT)
        wire.send(patch_head(server, url, None) + chunked(bytes(SHORT + over)))
        assert wire.receive("PATCH").status == 413
        assert server.offset(url) == 0

    @pytest.mark.parametrize(
        "size_line",
        [b"zz", b"-1", b"0x5", b"+5", b"5 ", b" 5", b"", b"5;a\0", b"F" * 17, b"5\r", b"\xd9\xa5", b"1_0"],
        ids=repr,
    )
    def test_bad_chunk_sizes_end_the_connection(self, server: WebServer, wire: Connection, size_line: bytes) -> None:
        url = server.begin(100)
        hidden = wire.head_bytes("DELETE", url, TUS)
        wire.send(patch_head(server, url, None) + size_line + b"\r\nhello\r\n0\r\n\r\n" + hidden)
        assert answers_until_the_end(wire) == [400]
        assert server.offset(url) == 0
        assert server.http.request("HEAD", url).status == 200

    def test_a_chunk_longer_than_it_said_ends_the_connection(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(100)
        hidden = wire.head_bytes("DELETE", url, TUS)
        wire.send(patch_head(server, url, None) + b"5\r\nhelloo\r\n0\r\n\r\n" + hidden)
        assert answers_until_the_end(wire) == [400]
        assert server.http.request("HEAD", url).status == 200

    def test_a_bad_chunk_in_a_file_of_one_request_leaves_nothing(self, server: WebServer, wire: Connection) -> None:
        wire.send(wire.head_bytes("PUT", "/upload/a", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\nzz\r\n")
        assert answers_until_the_end(wire) == [400]
        assert server.database.files == {}


def answers_until_the_end(wire: Connection) -> list[int]:
    """The status of every answer that comes before the server closes the connection, which it must."""
    data = b""
    while True:
        try:
            data += wire.take(1, within=4)
        except Closed:
            break
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


class TestSmuggling:
    """Two readings of one body are how requests are smuggled past a proxy: such a request ends its connection."""

    @pytest.fixture
    def server(self, shared_server: WebServer) -> Iterator[WebServer]:
        yield shared_server
        assert shared_server.database.uploads == {}

    @pytest.mark.parametrize(
        "framing",
        [
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 5, 6",
            b"Content-Length: 5, 5",
            b"Content-Length: +5",
            b"Content-Length: -5",
            b"Content-Length: 0x5",
            b"Content-Length: 5a",
            b"Content-Length: 5.0",
            b"Content-Length: 1_0",
            b"Content-Length: \xd9\xa5",
            b"Content-Length:",
            b"Content-Length: 99999999999999999999999999",
            b"Transfer-Encoding: gzip",
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: chunked, gzip",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: \x0bchunked",
            b"Transfer-Encoding:",
            b"Transfer-Encoding:\r\n chunked",
            b"Content-Length:\r\n 5",
            b"X-Folded: a\r\n b",
            b"Content-Length : 5",
            b"Transfer-Encoding : chunked",
            b" Content-Length: 5",
            b"Content-Length: 5\r\nX: a\rb",
            b"Content-Length: 5\r\nX: a\x00b",
            b"Content-Length: 5\r\nno colon here",
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("target", ["POST /uploads", "PUT /upload/a", "PATCH /uploads/" + "0" * 32])
    def test_ambiguous_framing_is_refused_and_nothing_is_created(
        self, server: WebServer, wire: Connection, framing: bytes, target: str
    ) -> None:
        head = f"{target} HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n".encode()
        body = b"0\r\n\r\n"
        wire.send(head + framing + b"\r\n\r\n" + body + HIDDEN)
        assert answers_until_the_end(wire) == [400]

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    def test_requests_that_have_no_body_mostly_are_no_way_around(
        self, server: WebServer, wire: Connection, method: str
    ) -> None:
        head = f"{method} /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.send(head.encode() + b"0\r\n\r\n" + HIDDEN)
        assert answers_until_the_end(wire) == [400]

    @pytest.mark.parametrize(
        "line", [b"GET /health", b"GET  /health HTTP/1.1", b"GET /health HTTP/2.0", b"\x16\x03\x01"]
    )
    def test_what_is_not_http_ends_the_connection(self, server: WebServer, wire: Connection, line: bytes) -> None:
        wire.send(line + b"\r\nHost: a\r\n\r\n" + HIDDEN)
        assert answers_until_the_end(wire) == [505 if b"2.0" in line else 400]

    def test_a_body_where_none_is_needed_is_read_past(self, server: WebServer, wire: Connection) -> None:
        wire.send(wire.head_bytes("GET", "/health", [("Content-Length", "5")]) + b"hello")
        assert wire.receive().status == 200
        wire.send_head("GET", "/health")
        assert wire.receive().status == 200


class TestTheLastRequest:
    """What follows it in the same packet has been read already, and is not to be done (RFC 9112 §9.6)."""

    @pytest.mark.parametrize("size", [5, LARGE])
    @pytest.mark.parametrize(
        "last", ["HTTP/1.1\r\nConnection: close", "HTTP/1.0", "HTTP/1.1\r\nConnection: Close"], ids=repr
    )
    def test_nothing_behind_the_last_request_is_done(
        self, server: WebServer, wire: Connection, last: str, size: int
    ) -> None:
        url = server.begin(size)
        head = patch_head(server, url, size).replace(b"HTTP/1.1", last.encode(), 1)
        wire.send(head + bytes(size) + HIDDEN)
        assert answers_until_the_end(wire) == [204]
        assert len(server.database.uploads) == 1

    def test_nothing_behind_a_refusal_that_asked_for_no_body_is_done(self, server: WebServer, wire: Connection) -> None:
        head = patch_head(server, "/uploads/" + "0" * 32, 5, ("Expect", "100-continue"))
        wire.send(head + b"hello" + HIDDEN)
        assert answers_until_the_end(wire) == [404]
        assert server.database.uploads == {}


class TestKeepAlive:
    def test_many_short_requests_share_a_connection(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(50)
        for at in range(50):
            wire.send(patch_head(server, url, 1, at=at) + b"x")
            assert offset_in(wire.receive("PATCH")) == at + 1

    def test_short_requests_may_follow_without_waiting(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(20)
        wire.send(b"".join(patch_head(server, url, 1, at=at) + b"x" for at in range(20)))
        assert [offset_in(wire.receive("PATCH")) for _ in range(20)] == list(range(1, 21))

    @pytest.mark.parametrize(
        ("version", "connection", "lives"),
        [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
    )
    def test_short_requests_keep_the_connection_as_http_has_it(
        self, server: WebServer, wire: Connection, version: str, connection: str, lives: bool
    ) -> None:
        url = server.begin(5)
        headers: list[Header] = [("Connection", connection)] if connection else []
        wire.send(patch_head(server, url, 5, *headers).replace(b"HTTP/1.1", f"HTTP/{version}".encode()) + b"hello")
        assert wire.receive("PATCH").status == 204
        assert wire.ends(within=0.3 if lives else 2) is not lives
