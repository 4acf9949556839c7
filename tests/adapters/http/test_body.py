"""Request bodies as byte sources: what they hold back, what they give when, and that memory stays flat."""

import asyncio
import os
import resource
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from adapters.inbound.common.block_source import BlockSource, BodyCut, IterableSource
from adapters.inbound.http.engine.chunked_body import ChunkedBody
from adapters.inbound.http.engine.socket_body import SocketBody
from adapters.inbound.http.engine.wire.connection import Connection as Ours
from adapters.outbound.memory.storage import MemoryBytes, MemoryChunkStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from domain.byte_range import Extent
from domain.checksum import Hasher
from domain.errors import UploadTakenOver
from domain.ids import UploadId
from domain.upload_state import UploadState
from ports.byte_source import ByteSource
from tests.support.exchanges import TUS, WebServer, offset_in, patch_head, serving
from tests.support.sources import CutSource, HangingSource, StalledSource, source_of
from tests.support.wire import Connection, Header, chunked

KIB, MIB = 1024, 1024 * 1024
LARGE = 2 * MIB + 7


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "poured", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


async def pour(source: ByteSource, fd: int, *, at: int = 0, limit: int = 8 * MIB, seconds: float = 1.0) -> int:
    return await asyncio.wait_for(source.pour(fd, at=at, limit=limit, seconds=seconds, permit=lambda: None), 5)


class TestInterimResponses:
    """What is told to the client while its large body is read."""

    async def test_a_client_that_does_not_read_gets_them_whole_or_not_at_all(
        self, executor: ThreadPoolExecutor
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
        with theirs:
            body = SocketBody(Ours.of(ours, None), length=10, awaits_continue=False, executor=executor)
            theirs.sendall(b"hello")
            assert await body.gather(5) == b"hello"
            while not body.untold:  # the kernel has taken a part of the last one
                body.tell(b"<%9998d>" % 7)
            rest = body.untold
            body.tell(b"not now")
            assert body.untold == rest
            body.close()
            told = b"".join(iter(lambda: theirs.recv(1 << 16), b"")) + rest
        assert told == b"<%9998d>" % 7 * (len(told) // 10_000)


class Sender:
    """The other end of a chunked body."""

    def __init__(self, executor: ThreadPoolExecutor, *, awaits_continue: bool = False) -> None:
        self.socket, ours = socket.socketpair()
        self.socket.setblocking(False)
        self.connection = Ours.of(ours, None)
        self.body = ChunkedBody(self.connection, awaits_continue=awaits_continue, executor=executor)

    def send(self, *pieces: bytes) -> None:
        """One chunk each."""
        for piece in pieces:
            self.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self, behind: bytes = b"") -> None:
        self.socket.sendall(b"0\r\n\r\n" + behind)

    async def send_all(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), 64 * KIB):
            await loop.sock_sendall(self.socket, chunked(data[start : start + 64 * KIB])[: -len(b"0\r\n\r\n")])
        self.end()


class TestChunkedBodies:
    """``read``, ``gather`` and ``pour`` of a body that does not say how long it is."""

    @pytest.fixture
    async def sender(self, executor: ThreadPoolExecutor) -> AsyncGenerator[Sender]:
        sender = Sender(executor)
        yield sender
        sender.connection.close()
        sender.socket.close()

    async def test_nothing_is_read_before_somebody_asks(self, executor: ThreadPoolExecutor) -> None:
        sender = Sender(executor, awaits_continue=True)
        body = sender.body
        sender.send(b"abc")
        await asyncio.sleep(0.01)
        assert (body.received, body.awaits_continue) == (0, True)
        assert await body.read(10) == b"abc"
        assert sender.socket.recv(100).startswith(b"HTTP/1.1 100")
        body.close()
        sender.socket.close()

    async def test_whoever_waits_for_it_is_seen(self, sender: Sender) -> None:
        reading = asyncio.create_task(sender.body.read(10))
        await asyncio.sleep(0.01)
        assert sender.body.is_awaited
        sender.send(b"abc")
        assert await reading == b"abc"
        assert not sender.body.is_awaited

    async def test_blocks_come_in_order_and_no_larger_than_asked_for(self, sender: Sender) -> None:
        body = sender.body
        sender.send(b"01234", b"56", b"789")
        sender.end()
        assert [await body.read(2), await body.read(100), await body.read(3)] == [b"01", b"234", b"56"]
        assert [await body.gather(2), await body.gather(2), await body.read(1)] == [b"78", b"9", b""]
        assert not body.is_cut

    async def test_gathering_waits_for_all_that_was_asked_for(self, sender: Sender) -> None:
        gathering = asyncio.create_task(sender.body.gather(5))
        for block in (b"01", b"23"):
            sender.send(block)
            await asyncio.sleep(0.01)
        assert not gathering.done()
        sender.send(b"45")
        assert (await gathering, await sender.body.read(10)) == (b"01234", b"5")

    async def test_what_is_behind_it_is_left_for_the_next_request(self, sender: Sender) -> None:
        sender.send(b"abc")
        sender.end(b"PUT /next")
        assert await sender.body.gather(10) == b"abc"
        assert (sender.connection.ahead, sender.body.has_ended) == (b"PUT /next", True)

    async def test_a_cut_body_gives_what_had_come_and_then_nothing(self, sender: Sender, fd: int) -> None:
        sender.send(b"abc")
        sender.socket.shutdown(socket.SHUT_WR)
        assert await pour(sender.body, fd) == 3
        assert (await pour(sender.body, fd), await sender.body.read(1), sender.body.is_cut) == (0, b"", True)

    async def test_a_body_that_had_ended_is_not_cut_by_a_stop(self, sender: Sender) -> None:
        sender.send(b"abc")
        sender.end()
        assert await sender.body.read(1) == b"a"
        sender.body.stop()
        assert (sender.body.is_cut, await sender.body.gather(10)) == (False, b"bc")

    async def test_a_stop_wakes_whoever_waits(self, sender: Sender) -> None:
        reading = asyncio.create_task(sender.body.read(10))
        await asyncio.sleep(0.01)
        sender.body.stop()
        assert (await asyncio.wait_for(reading, 1), sender.body.is_cut) == (b"", True)

    async def test_small_blocks_are_poured_together(self, sender: Sender, fd: int) -> None:
        data = os.urandom(1000)
        pouring = asyncio.create_task(pour(sender.body, fd, limit=1000))
        for start in range(0, 1000, 10):
            sender.send(data[start : start + 10])
            await asyncio.sleep(0)
        assert await pouring == 1000
        assert os.pread(fd, 2000, 0) == data

    async def test_pouring_takes_no_more_than_its_limit(self, sender: Sender, fd: int) -> None:
        sender.send(b"0123456789")
        sender.end()
        assert await pour(sender.body, fd, at=5, limit=4) == 4
        assert os.pread(fd, 100, 0) == bytes(5) + b"0123"
        assert await sender.body.gather(100) == b"456789"

    async def test_pouring_waits_for_the_first_byte_however_long(self, sender: Sender, fd: int) -> None:
        pouring = asyncio.create_task(pour(sender.body, fd, seconds=0.02))
        await asyncio.sleep(0.15)
        assert not pouring.done()
        sender.send(b"x")
        assert await pouring == 1

    async def test_pouring_ends_in_time_when_the_sender_makes_a_pause(self, sender: Sender, fd: int) -> None:
        sender.send(b"abc")
        begun = time.monotonic()
        assert await pour(sender.body, fd, seconds=0.2) == 3
        assert 0.1 < time.monotonic() - begun < 1
        sender.send(b"def")
        sender.end()
        assert await pour(sender.body, fd, at=3) == 3
        assert os.pread(fd, 10, 0) == b"abcdef"

    async def test_nothing_is_poured_that_is_not_permitted(self, sender: Sender, fd: int) -> None:
        def permit() -> None:
            if os.fstat(fd).st_size:
                raise UploadTakenOver

        sending = asyncio.create_task(sender.send_all(os.urandom(3 * MIB)))
        size = await sender.body.pour(fd, at=0, limit=1000, seconds=1, permit=permit)
        with pytest.raises(UploadTakenOver):
            await sender.body.pour(fd, at=size, limit=MIB, seconds=1, permit=permit)
        assert os.fstat(fd).st_size == size
        sending.cancel()

    async def test_a_cancelled_pour_has_stopped_writing(self, sender: Sender, fd: int) -> None:
        sender.send(b"abc")
        pouring = asyncio.create_task(pour(sender.body, fd))
        await asyncio.sleep(0.1)
        pouring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pouring
        sender.send(b"def")
        assert await sender.body.read(10) == b"def"


class TestBlockSources:
    """Bodies of parts of a form, and of programs that embed the use cases."""

    async def test_blocks_may_come_from_any_iterable(self, fd: int) -> None:
        async def generated() -> AsyncIterator[bytes]:
            for block in (b"ab", b"", b"cd"):
                yield block

        for blocks in ([b"ab", b"", b"cd"], generated()):
            source = IterableSource(blocks)
            assert await pour(source, fd) == 4
            assert (await source.read(1), source.is_cut, source.length) == (b"", False, None)
            assert os.pread(fd, 10, 0) == b"abcd"

    async def test_a_sender_that_breaks_off_is_a_cut(self, fd: int) -> None:
        source = CutSource([b"abc"], length=10)
        assert (await pour(source, fd), await pour(source, fd), source.is_cut) == (3, 0, True)

    async def test_a_stopped_source_gives_nothing_more(self) -> None:
        source = HangingSource([b"abc"], length=None)
        assert await source.read(2) == b"ab"
        source.stop()
        assert (await source.read(2), source.is_cut) == (b"", True)

    async def test_a_source_that_had_ended_is_not_cut_by_a_stop(self) -> None:
        source = source_of(b"abc")
        assert await source.gather(10) == b"abc"
        source.stop()
        assert not source.is_cut

    async def test_a_slow_source_is_poured_in_time(self, fd: int) -> None:
        class Slow(BlockSource):
            async def next_block(self) -> bytes:
                await asyncio.sleep(0.05)
                return b"x"

        begun = time.monotonic()
        poured = await pour(Slow(), fd, seconds=0.3)
        assert 1 <= poured <= 8
        assert time.monotonic() - begun < 2

    async def test_a_source_that_stalls_is_poured_as_far_as_it_has_come(self, fd: int) -> None:
        source = StalledSource([b"abc", b"def", None, b"ghi"])
        begun = time.monotonic()
        assert await pour(source, fd, seconds=0.3) == 6
        assert 0.2 < time.monotonic() - begun < 2
        later = asyncio.create_task(pour(source, fd, at=6, seconds=0.1))
        await asyncio.sleep(0.3)
        assert not later.done()  # a stretch has one byte at least
        source.goes_on.set()
        assert (await later, await source.read(1), source.is_cut) == (3, b"", False)
        assert os.pread(fd, 100, 0) == b"abcdefghi"

    @pytest.mark.parametrize("way", ["read", "gather"])
    async def test_what_comes_after_a_stall_can_be_read_in_any_way(self, fd: int, way: str) -> None:
        source = StalledSource([b"abc", None, b"ghi"])
        assert await pour(source, fd, seconds=0.05) == 3
        source.goes_on.set()
        assert await (source.read(2) if way == "read" else source.gather(2)) == b"gh"
        assert await source.gather(9) == b"i"

    async def test_a_stall_that_ends_in_a_stop_is_a_cut(self, fd: int) -> None:
        source = StalledSource([b"abc", None, b"ghi"])
        assert await pour(source, fd, seconds=0.05) == 3
        source.stop()
        source.goes_on.set()
        assert (await pour(source, fd, at=3), source.is_cut) == (0, True)

    async def test_whoever_stops_pouring_leaves_nothing_running(self, fd: int) -> None:
        tasks = asyncio.all_tasks()
        source = StalledSource([b"abc", None, b"ghi"])
        pouring = asyncio.create_task(pour(source, fd, seconds=30))
        await asyncio.sleep(0.1)
        pouring.cancel()
        await asyncio.wait([pouring])
        await asyncio.sleep(0)
        assert pouring.cancelled() and asyncio.all_tasks() == tasks

    async def test_errors_of_the_file_reach_the_one_who_pours(self, tmp_path: Path) -> None:
        (tmp_path / "read-only").touch()
        fd = os.open(tmp_path / "read-only", os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="Bad file descriptor"):
                await pour(source_of(b"abc"), fd)
        finally:
            os.close(fd)

    async def test_a_program_may_raise_what_it_likes(self, fd: int) -> None:
        class Broken(BlockSource):
            async def next_block(self) -> bytes:
                raise BodyCut("the camera was unplugged")

        source = Broken(length=5)
        assert (await pour(source, fd), source.is_cut) == (0, True)


class GatedStorage(VolumeChunkStorage):
    """Takes nothing until it is opened, or nothing after the first stretch."""

    def __init__(self, volume: Volume, threads: Threads, *, after_first: bool) -> None:
        super().__init__(volume, threads)
        self._after_first = after_first
        self.opened = threading.Event()

    async def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], None] = lambda: None,
        expects: int | None = None,
    ) -> AsyncGenerator[Extent, None]:
        if not self._after_first:
            await self._wait()
        async for extent in super().write(
            upload_id, at=at, source=source, limit=limit, hasher=hasher, permit=permit, expects=expects
        ):
            yield extent
            await self._wait()

    async def _wait(self) -> None:
        while not self.opened.is_set():
            await asyncio.sleep(0.01)


def rss() -> int:
    used: int = psutil.Process().memory_info().rss
    return used


def push(connection: Connection, total: int, *, silence: float = 0.7) -> int:
    """Send zeros until the server takes no more for a while, or all are sent; how many went out."""
    connection._socket.setblocking(False)
    block, sent, last = bytes(256 * KIB), 0, time.monotonic()
    while sent < total and time.monotonic() - last < silence:
        try:
            sent += connection._socket.send(block[: total - sent])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return sent


def heads(server: WebServer, size: int) -> dict[str, bytes]:
    """The beginnings of requests that carry ``size`` bytes, by the way their bodies come in."""
    with Connection(server.port) as wire:
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        with_upload: list[Header] = [
            *TUS,
            ("Upload-Length", str(size)),
            ("Content-Type", "application/offset+octet-stream"),
            ("Content-Length", str(size)),
        ]
        multipart: list[Header] = [
            ("Content-Type", "multipart/form-data; boundary=b"),
            ("Content-Length", str(size + len(form) + 9)),
        ]
        return {
            "large": patch_head(server, server.begin(size), size),
            "chunked": patch_head(server, server.begin(size), None) + b"%x\r\n" % size,
            "created with": wire.head_bytes("POST", "/uploads", with_upload),
            "form": wire.head_bytes("POST", "/upload", multipart) + form,
        }


WAYS = ["large", "chunked", "created with", "form"]


class TestBackpressure:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(("after_first", "most"), [(False, 3 * MIB), (True, 20 * MIB)])
    def test_a_storage_that_takes_nothing_slows_its_sender_down(
        self, tmp_path: Path, way: str, after_first: bool, most: int
    ) -> None:
        """``most``: what the sockets and the server hold back, and after the first stretch of 8 MiB a second one."""

        def gated(server: WebServer) -> GatedStorage:
            return GatedStorage(server.volume, server.threads, after_first=after_first)

        web = WebServer(tmp_path / "volume", storage=gated)
        web.receive_buffer = 256 * KIB
        with serving(web) as server, Connection(server.port) as wire:
            wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * KIB)
            wire.send(heads(server, 512 * MIB)[way])
            time.sleep(0.1)
            before = rss()
            sent = push(wire, 512 * MIB)
            assert 0 < sent < most
            assert rss() - before < 12 * MIB
            wire.reset()
            storage = server.chunks
            assert isinstance(storage, GatedStorage)
            storage.opened.set()

    @pytest.mark.parametrize("way", WAYS)
    def test_memory_stays_flat_while_a_large_body_goes_to_the_disk(self, tmp_path: Path, way: str) -> None:
        size = 96 * MIB
        with serving(WebServer(tmp_path / "volume")) as server, Connection(server.port) as wire:
            wire.send(heads(server, size)[way])
            samples = []
            before = rss()
            for _ in range(12):
                assert push(wire, size // 12, silence=10) == size // 12
                samples.append(rss() - before)
            assert max(samples) < 24 * MIB
            wire.reset()

    def test_a_slow_body_does_not_keep_others_from_their_turn(self, tmp_path: Path) -> None:
        """More bodies stand still than there are threads; another one goes through."""
        with serving(WebServer(tmp_path / "volume")) as server:
            idle = [Connection(server.port) for _ in range(12)]
            for wire in idle:
                wire.send(patch_head(server, server.begin(LARGE), LARGE) + bytes(100))
            trickling = threading.Event()

            def trickle() -> None:
                while not trickling.is_set():
                    for wire in idle:
                        wire.send(b"x")
                    time.sleep(0.003)

            thread = threading.Thread(target=trickle)
            thread.start()
            data, url = os.urandom(8 * MIB), server.begin(8 * MIB)
            begun = time.monotonic()
            with Connection(server.port) as wire:
                wire.send(patch_head(server, url, len(data)) + data)
                assert wire.receive("PATCH").status == 204
            took = time.monotonic() - begun
            trickling.set()
            thread.join()
            for wire in idle:
                wire.close()
            assert took < 3
            assert server.content(url) == data


class TestReadingLargeBodies:
    """A storage without a file to pour into reads a large body from the socket block by block."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[WebServer]:
        memory = MemoryBytes()

        def in_memory(server: WebServer) -> MemoryChunkStorage:
            return MemoryChunkStorage(memory, server.clock)

        with serving(WebServer(tmp_path / "volume", storage=in_memory)) as server:
            self.memory = memory
            yield server

    @pytest.fixture
    def wire(self, server: WebServer) -> Iterator[Connection]:
        with Connection(server.port) as wire:
            yield wire

    def test_it_is_stored_to_the_byte_and_the_connection_lives_on(self, server: WebServer, wire: Connection) -> None:
        data, url = os.urandom(LARGE), server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE) + data + wire.head_bytes("HEAD", url, TUS))
        assert wire.receive("PATCH").status == 204
        assert offset_in(wire.receive("HEAD")) == LARGE
        assert list(self.memory.blobs.values()) == [data]

    def test_a_cut_keeps_the_prefix(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE) + bytes(MIB))
        wire.finish_sending()
        assert wire.receive("PATCH").status == 503
        assert server.offset(url) == MIB

    def test_a_newer_request_takes_over(self, server: WebServer, wire: Connection) -> None:
        url = server.begin(LARGE)
        wire.send(patch_head(server, url, LARGE) + bytes(100 * KIB))
        time.sleep(0.3)
        assert offset_in(server.http.request("HEAD", url)) == 100 * KIB
        assert wire.receive("PATCH").status == 409


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestDisksThatFail:
    @pytest.mark.parametrize("is_chunked", [True, False])
    def test_a_disk_that_fails_in_the_middle_is_answered_and_the_upload_goes_on_later(
        self, tmp_path: Path, is_chunked: bool
    ) -> None:
        data = os.urandom(12 * MIB)
        with serving(WebServer(tmp_path / "volume")) as server, Connection(server.port) as wire:
            url = server.begin(len(data))
            body = chunked(data) if is_chunked else data
            request = patch_head(server, url, None if is_chunked else len(data)) + body
            with files_limited_to(9 * MIB):
                sending = threading.Thread(target=self._send, args=(wire, request))
                sending.start()
                answer = wire.receive("PATCH")
                assert (answer.status, answer.json()["code"]) == (507, "file_too_large_for_disk")
                assert answer.header("Retry-After") is None
                sending.join(5)
                assert not sending.is_alive()
            at = offset_in(server.http.request("HEAD", url))
            assert 0 <= at <= 9 * MIB
            headers: list[Header] = [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", str(at))]
            assert server.http.request("PATCH", url, headers, data[at:]).status == 204
            assert server.content(url) == data

    @staticmethod
    def _send(wire: Connection, data: bytes) -> None:
        try:
            wire.send(data)
        except OSError:
            return


class TestForms:
    def test_a_part_that_does_not_come_gives_way_to_who_aborts_it(self, tmp_path: Path) -> None:
        with serving(WebServer(tmp_path / "volume")) as server, Connection(server.port) as wire:
            wire.send(heads(server, MIB)["form"] + bytes(1000))
            until = time.monotonic() + 3
            while len(server.database.uploads) < 3 and time.monotonic() < until:
                time.sleep(0.01)
            upload = list(server.database.uploads.values())[-1]
            begun = time.monotonic()
            # The form, on its way out, drops its upload itself; one of the two comes first.
            assert server.http.request("DELETE", f"/uploads/{upload.id}").status in (204, 423)
            assert wire.receive("POST").status in (409, 503)
            assert time.monotonic() - begun < 1.5
            assert server.database.uploads[upload.id].state is UploadState.ABORTED
            assert server.database.files == {}

    def test_a_form_that_is_cut_behind_its_last_line_leaves_nothing(self, tmp_path: Path) -> None:
        """Who is told to come again brings all its files again."""
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\nhello\r\n--b--\r\n'
        headers = [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(part) + 10))]
        with serving(WebServer(tmp_path / "volume")) as server, Connection(server.port) as wire:
            wire.send(wire.head_bytes("POST", "/upload", headers) + part)
            wire.finish_sending()
            assert wire.receive("POST").status == 503
            assert server.database.files == {}


class TestDraining:
    @staticmethod
    def _cut(server: WebServer) -> None:
        server.drain.begin()
        for exchange in list(server.connections.running):
            exchange.cut()

    def test_a_body_that_is_cut_then_is_told_to_come_again(self, tmp_path: Path) -> None:
        with serving(WebServer(tmp_path / "volume")) as server:
            put = f"PUT /upload/a.bin HTTP/1.1\r\nHost: a\r\nContent-Length: {MIB}\r\n\r\n".encode()
            for kind, head in {**heads(server, MIB), "put": put}.items():
                with Connection(server.port) as wire:
                    wire.send(head + bytes(1000))
                    time.sleep(0.3)  # it runs
                    server.call(lambda: self._cut(server))
                    answer = wire.receive("POST")
                    server.drain.has_begun = False
                assert answer.status == 503, (kind, answer)
                assert answer.header("Retry-After")
                assert "try again" in answer.body.decode(), kind
